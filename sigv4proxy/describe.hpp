#pragma once
// How a signature came about, for --dry-run and the log.  Pure.

#include <string>
#include <string_view>

#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::sigv4proxy {

struct SignedRequest {
  const netproxy::RequestHead& head;  // as it is sent
  std::string_view target;            // before it was signed
  const netproxy::SigningTarget& scope;
  std::string_view payload_hash;
};
// The canonical request, the string to sign and the head that is sent.  A session token appears as
// its fingerprint.
std::string describe_signature(const SignedRequest& request);

}  // namespace keyward::sigv4proxy
