#pragma once
// The network namespace of a sandbox: loopback only, no route, and the proxy's listening socket
// made inside it.

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keyward::isolation {

// Moves the calling process into new network, IPC, UTS and cgroup namespaces and brings loopback
// up.
Result<> enter_namespaces(const std::string& hostname);

struct InsideListener {
  UniqueFd socket;  // listening on 127.0.0.1
  std::uint16_t port = 0;
};
Result<InsideListener> listen_inside(std::uint16_t port);  // 0 = chosen by the kernel

Result<UniqueFd>
open_socket_diag();  // NETLINK_SOCK_DIAG of the current network namespace (sock_diag(7))

}  // namespace keyward::isolation
