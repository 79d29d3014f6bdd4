#pragma once
// TLS of a server that shows its own certificate, which can be replaced while it serves.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

// Any thread.
class ListenerTls {
 public:
  // PEM texts: the certificate and what leads from it to an authority, and its key.  Errors
  // (Code::invalid): not usable, or the key is another certificate's.
  static Result<std::unique_ptr<ListenerTls>> create(const std::string& chain_pem,
                                                     const Secret& key_pem);
  virtual ~ListenerTls() = default;
  // For the connections that come after it; on an error nothing changes.
  virtual Result<> replace(const std::string& chain_pem, const Secret& key_pem) = 0;
  // The server side of one connection: TLS 1.2 or 1.3, http/1.1.
  virtual Result<SslPtr> accept() = 0;
};

}  // namespace keyward::netproxy
