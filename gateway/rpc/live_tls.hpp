#pragma once
// The server's certificate while it serves: it can be replaced, and connections that come later
// have the new one.

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"

namespace keyward::gateway {

struct ServerTls {
  std::string certificate_pem;  // chain
  Secret key_pem;
  std::string client_ca_pem;  // empty: no client certificate is asked for
  bool require_client_certificate = false;
};

class LiveTls {
 public:
  // How soon a replacement is served.
  static constexpr unsigned int interval_seconds = 2;

  // Code::invalid: a text that no TLS library takes, or a key that is not the certificate's.
  static Result<std::shared_ptr<LiveTls>> create(const ServerTls& tls);

  // False: it is what is served already.  On an error the old one stays.  Whether client
  // certificates are asked for cannot change.
  Result<bool> replace(const ServerTls& tls);

  std::shared_ptr<grpc::ServerCredentials> credentials() const;

 private:
  std::mutex mutex_;
  // Files without a name, which gRPC looks at by the descriptors' paths.  The pair is in one, so
  // that nobody sees the half of it.
  UniqueFd pair_, client_ca_;
  std::string fingerprint_;  // of all that is served
  bool asks_ = false, requires_ = false;
  int generation_ = 0;
};

}  // namespace keyward::gateway
