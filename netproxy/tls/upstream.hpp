#pragma once
// TLS towards upstreams: certificates verified against the given trust store and the name that the
// policy matched, sessions resumed.

#include <memory>
#include <string>

#include "base/result.hpp"
#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

class UpstreamTls {
 public:
  // An empty trust store trusts nobody: every handshake fails (an image without certificates).
  // Errors: a store that is not empty and holds no usable certificate.
  // Without `verify` any certificate is taken: whoever asks for that must say so loudly.
  static Result<std::unique_ptr<UpstreamTls>> create(std::string trust_store_pem,
                                                     bool verify = true);
  virtual ~UpstreamTls() = default;
  // A client side that verifies `host` (canonical name or IP literal).  `resume_key` selects the
  // sessions that may be resumed: same host, port and trust.  Any thread.
  virtual Result<SslPtr> new_session(const std::string& host, const std::string& resume_key) = 0;
};

// Why the peer's certificate was refused, empty when it was not.
std::string certificate_error(ssl_st* ssl);

}  // namespace keyward::netproxy
