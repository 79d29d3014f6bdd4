#pragma once
// What the operator has changed in every request before it is signed.  Pure.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"
#include "sigv4proxy/options.hpp"

namespace keyward::sigv4proxy {

struct Rewriting {
  std::vector<std::string> strip_headers, strip_params;  // lower case; `name*` is a prefix
  std::vector<std::string> duplicate_headers;            // lower case
  netproxy::Headers custom_headers;
};

// Errors name the option: no header name, a header that the proxy sets itself.
Result<Rewriting> read_rewriting(const Options& options);

// Duplicates, strips, sets: in this order.
void rewrite(netproxy::RequestHead& head, const Rewriting& rewriting);

}  // namespace keyward::sigv4proxy
