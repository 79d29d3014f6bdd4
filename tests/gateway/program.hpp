#pragma once
// The gateway as a process of its own, for tests that start it, kill it and start it again.

#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/unique_fd.hpp"
#include "gateway/operator/client.hpp"
#include "openshell.grpc.pb.h"
#include "support.hpp"

namespace keyward::gateway {

namespace v1 = openshell::v1;

// `moved` descriptors appear in the program under the second number.
inline pid_t spawn(std::vector<std::string> arguments,
                   const std::vector<std::pair<int, int>>& moved = {}) {
  arguments.insert(arguments.begin(), GATEWAY_PROGRAM);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
  for (const auto& [from, to] : moved)
    REQUIRE(::posix_spawn_file_actions_adddup2(&actions, from, to) == 0);
  pid_t child = 0;
  REQUIRE(::posix_spawn(&child, GATEWAY_PROGRAM, &actions, nullptr, argv.data(), environ) == 0);
  ::posix_spawn_file_actions_destroy(&actions);
  return child;
}

inline int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline int free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

// `gateway serve` with the keys in `directory`/pki, on a port of its own.
class Program {
 public:
  // An empty `database`: a file in `directory`.  Replicas differ in `name`.
  explicit Program(const std::string& directory, std::string database = {},
                   const std::string& name = "run")
      : directory_(directory), name_(name), port_(free_port()) {
    if (database.empty()) database = directory + "/gateway.db";
    pid_ = spawn({"serve", "--tls-dir", directory + "/pki", "--plaintext-loopback", "--listen",
                  "127.0.0.1:" + std::to_string(port_), "--database", database, "--operator-socket",
                  socket(), "--audit-log", directory + "/audit.jsonl", "--calls-per-second", "0",
                  "--failures-per-second", "0"});
    for (int i = 0; i < 300; ++i) {
      const auto connected = OperatorClient::connect(socket());
      if (connected && (*connected)->sandboxes()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    FAIL("the gateway does not answer");
  }
  ~Program() { end(SIGTERM); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  int end(int signal) {
    if (pid_ == 0) return -1;
    ::kill(pid_, signal);
    return wait_for(std::exchange(pid_, 0));
  }
  void send(int signal) const { ::kill(pid_, signal); }
  std::string socket() const { return directory_ + "/" + name_ + "/operator.sock"; }
  std::unique_ptr<v1::OpenShell::Stub> stub() const {
    return v1::OpenShell::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port_),
                                                      grpc::InsecureChannelCredentials()));
  }

 private:
  std::string directory_, name_;
  int port_;
  pid_t pid_ = 0;
};

}  // namespace keyward::gateway
