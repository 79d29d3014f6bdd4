#pragma once
// The running supervisor's door for `supervisor debug-rpc`: a unix socket (SOCK_SEQPACKET, one
// question and one answer per connection) in a directory that only root can enter, and that the
// sandbox never sees.  The peer's uid must be 0 (SO_PEERCRED, unix(7)).

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/debug_answer.hpp"

namespace keyward::supervisor {

constexpr const char* control_directory = "/run/keyward";

// "<control_directory>/<own pid>/control.sock"
std::string default_control_path();

class ControlSocket {
 public:
  // Creates the socket's directory (0700) where it is missing; an existing one must belong to the
  // caller and admit nobody else.  Its parent must exist, but for control_directory.  `target`
  // outlives the object and is called from its thread.
  static Result<std::unique_ptr<ControlSocket>> open(const std::string& path, DebugTarget& target);
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();  // ends the thread, removes the socket and the directory of
                     // default_control_path

 private:
  struct Listener {
    std::string path;
    UniqueFd listener, wake;
  };
  ControlSocket(Listener open, DebugTarget& target);
  void serve(const std::stop_token& stop);
  void answer_one(const UniqueFd& peer);

  std::string path_;
  UniqueFd listener_, wake_;
  DebugTarget& target_;
  std::jthread thread_;
};

// The running supervisor's own, at `named`, or at default_control_path() where that is empty. Null,
// with a warning in the log: there is none, which only a socket that was named makes an error.
Result<std::unique_ptr<ControlSocket>> open_control_socket(const std::string& named,
                                                           DebugTarget& target);

// Asks a running supervisor; waits for the answer for at most a minute.
Result<DebugAnswer> ask_supervisor(const std::string& path, const DebugQuestion& question);

// The control sockets behind which a supervisor listens: `named`, or where that is empty those
// below control_directory.
std::vector<std::string> running_supervisors(const std::string& named = "");

}  // namespace keyward::supervisor
