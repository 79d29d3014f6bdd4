#pragma once
// What the supervisor asks of isolation.  The order is fixed: fork_launcher (first thing in main,
// one thread, no secret), build, start (the "go"), wait.  Every failure before `start` returns
// means that nothing of the sandbox was executed.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keyward::isolation {

enum class Level { strict, standard, no_namespace, same_uid };

struct UserSpec {
  std::string
      text;  // NAME|UID[:GID]; empty = `sandbox` from the image's passwd, else uid and gid 59123
};

struct FilesystemRules {  // Landlock, from the policy; empty = the whole view as mounted
  std::vector<std::string> read_only, read_write;
  bool best_effort = false;
};

// How the sandbox is to be built.
struct SandboxSpec {
  Level level = Level::strict;
  UserSpec user;
  std::vector<std::string> hidden;  // each must exist; the directory that holds it is covered
  std::vector<std::string> hidden_if_present;
  std::uint16_t proxy_port = 0;  // 0 = chosen by the kernel
  std::string hostname = "sandbox";
  std::string files_directory;  // where ProgramSpec.files go; made in the image if it is missing
};

// What build made.
struct BuiltSandbox {
  UniqueFd listener;      // bound to 127.0.0.1:proxy_port inside the sandbox's network namespace
  UniqueFd peer_queries;  // for PeerProcesses (isolation/peer_process.hpp)
  std::uint16_t proxy_port = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string user, home;                       // of the program, inside the view
  std::map<std::string, std::string> evidence;  // layer → what was found to be in force
};

// What runs inside: the main child.
struct ProgramSpec {
  std::vector<std::string>
      arguments;  // [0] is looked up in the PATH of `environment` unless it has a slash
  std::vector<std::string> environment;  // complete: nothing is inherited
  std::string directory = "/";           // inside the view
  std::map<std::string, std::string>
      files;  // root-owned read-only files for the view (CA certificates): path → content
  FilesystemRules filesystem;
};

struct Exit {
  int code = 0;  // the child's exit code, or 128 + signal
};

// The broker's end of the launch channel.  One owner; not thread-safe except `signal`, which any
// thread may call. Destruction kills the sandbox.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual Result<BuiltSandbox> build(const SandboxSpec& spec) = 0;
  // Errors carry the step that failed; exit_code_of() maps them to 126, 127, 125 or 78.
  virtual Result<> start(const ProgramSpec& program) = 0;
  virtual Result<> signal(int number) = 0;  // forwarded to the main child
  virtual int event_fd()
      const = 0;  // readable when the program has ended (poll it together with signals)
  virtual Result<Exit> wait() = 0;  // blocks until the program has ended
  virtual void kill() = 0;          // SIGKILL to the sandbox's init: everything in it dies
  virtual pid_t pid() const = 0;    // of the launcher process
};

// Exit codes: 78 a required layer is missing, 125 own failure, 126 not executable, 127 not found.
int exit_code_of(const Error& error);

// Forks the launcher process.  Must be called with one thread.  The launcher overwrites the
// environment variables named in `scrub` in its own copy at once and exits when the broker's end of
// the channel closes.
Result<std::unique_ptr<Launcher>> fork_launcher(const std::vector<std::string>& scrub);

// The broker's own confinement, in two steps.  Capabilities belong to threads, so they go before
// the first thread starts; the filter is set for all threads at once, after the last privileged
// call.
Result<> drop_broker_capabilities();  // all sets empty, no_new_privs, not dumpable, no core
Result<> lock_down();  // seccomp: no exec, no mounts, no ptrace, no modules, no namespaces

}  // namespace keyward::isolation
