#pragma once
// The gateway's two gRPC servers: sandboxes and users over TCP, the operator over a root-only unix
// socket.

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "gateway/rpc/live_tls.hpp"
#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

struct SandboxServerSettings {
  std::string listen;                        // HOST:PORT, HOST an address
  std::shared_ptr<LiveTls> tls;              // null: plaintext, and only on a loopback address
  std::chrono::milliseconds ping_tolerance;  // shortest interval between a client's idle PINGs
};

// A running server; stops when it is destroyed: calls that are under way get two seconds.
class RunningServer {
 public:
  virtual ~RunningServer() = default;
  virtual int port() const = 0;  // 0 for a unix socket
};

Result<std::unique_ptr<RunningServer>> start_sandbox_server(const SandboxServerSettings& settings,
                                                            const ServiceDeps& deps);

// The socket is made 0600 in a directory that must be 0700 and the caller's own (made when it is
// absent).  Each connection is accepted here, and handed to gRPC only when the kernel says that its
// peer is uid 0 or the server's own uid.
Result<std::unique_ptr<RunningServer>> start_operator_server(const std::string& path,
                                                             const ServiceDeps& deps);

bool is_loopback(const std::string& listen);  // HOST:PORT with 127.0.0.0/8 or [::1]

}  // namespace keyward::gateway
