#pragma once
// Which program opened a connection inside the sandbox.  The broker has no privilege left to look;
// it asks the launcher, which finds the socket by sock_diag(7) in the sandbox's network namespace
// and its owner in /proc.

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keyward::isolation {

// The broker's side.  Any thread; one question at a time, answered within milliseconds or refused
// after one second.
class PeerProcesses {
 public:
  explicit PeerProcesses(UniqueFd queries) : queries_(std::move(queries)) {}
  // Executables of the client of 127.0.0.1:client_port → 127.0.0.1:proxy_port and its ancestors up
  // to the sandbox's init, nearest first.  Several owners with different executables are an error:
  // nobody can tell them apart.
  Result<std::vector<std::string>> executables(std::uint16_t client_port, std::uint16_t proxy_port);

 private:
  std::mutex mutex_;
  UniqueFd queries_;
};

// The launcher's side: answers one question that waits on `queries`.  `init` is the sandbox's PID 1
// as the launcher sees it.
void answer_peer_query(const UniqueFd& queries, const UniqueFd& socket_diag, pid_t init);

// The inode of the client's socket; exposed for tests.
Result<std::uint32_t> find_socket_inode(const UniqueFd& socket_diag, std::uint16_t client_port,
                                        std::uint16_t proxy_port);

}  // namespace keyward::isolation
