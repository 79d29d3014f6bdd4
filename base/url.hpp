#pragma once
// http and https URLs (RFC 3986), as strict as those who dial them need: a host that cannot be read
// in two ways, no user information, no fragment, nothing outside printable ASCII.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward {

struct Url {
  bool tls = false;  // https
  std::string host;  // lower case, without brackets
  bool v6 = false;   // the host is an IPv6 literal
  std::uint16_t port = 0;
  std::string target;  // path and query, beginning with /

  std::string authority() const;  // HOST:PORT, an IPv6 literal in brackets
};

// At most 2048 bytes.  Errors never quote the text.
Result<Url> parse_url(std::string_view text);

bool is_v4_literal(const std::string& host);
// The host is an address of this machine's loopback, or "localhost".
bool is_loopback(const Url& url);

}  // namespace keyward
