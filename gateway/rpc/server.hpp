#pragma once
// The two gRPC servers: sandboxes over TLS (or plaintext on loopback), the operator over a unix
// socket that only root opens.

#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "gateway/rpc/sandbox_service.hpp"

namespace keyward::gateway {

struct ListenSettings {
  std::string address;          // HOST:PORT
  std::string certificate_pem;  // of the server; empty = plaintext, which needs a loopback address
  Secret key_pem;
  std::string
      client_ca_pem;  // not empty: client certificates are asked for and must be from this CA
  std::string operator_socket;  // path
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const ListenSettings& settings, ServiceDeps deps);
  virtual ~Server() = default;   // stops accepting, lets calls end for one second
  virtual int port() const = 0;  // of the sandboxes' listener
};

bool is_loopback_address(std::string_view host_and_port);

}  // namespace keyward::gateway
