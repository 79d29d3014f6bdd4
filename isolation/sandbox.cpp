#include "isolation/sandbox.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "isolation/capabilities.hpp"
#include "isolation/launch_channel.hpp"
#include "isolation/launcher_process.hpp"
#include "isolation/seccomp_filter.hpp"

namespace keyward::isolation {
namespace {

class ForkedLauncher final : public Launcher {
 public:
  ForkedLauncher(UniqueFd channel, pid_t pid) : channel_(std::move(channel)), pid_(pid) {}
  ForkedLauncher(const ForkedLauncher&) = delete;
  ForkedLauncher& operator=(const ForkedLauncher&) = delete;
  ~ForkedLauncher() override {
    channel_.reset();  // the launcher sees it and takes the sandbox down
    ::waitpid(pid_, nullptr, 0);
  }

  Result<BuiltSandbox> build(const SandboxSpec& spec) override {
    TRY(send_message(channel_.get(), {MessageType::build, encode(spec), {}}));
    TRY_ASSIGN(Message answer, expect(MessageType::built));
    TRY_ASSIGN(BuiltSandbox built, decode_built(answer.payload));
    if (answer.fds.size() != 2) return fail(Code::internal, "launcher: the listener is missing");
    built.listener = std::move(answer.fds[0]);
    built.peer_queries = std::move(answer.fds[1]);
    return built;
  }

  Result<> start(const ProgramSpec& program) override {
    TRY(send_message(channel_.get(), {MessageType::start, encode(program), {}}));
    TRY_ASSIGN(const Message answer, expect(MessageType::started));
    return {};
  }

  Result<> signal(int number) override {
    return send_message(channel_.get(), {MessageType::signal, encode_number(number), {}});
  }
  int event_fd() const override { return channel_.get(); }

  Result<Exit> wait() override {
    TRY_ASSIGN(const Message answer, expect(MessageType::ended));
    TRY_ASSIGN(const std::int64_t code, decode_number(answer.payload));
    return Exit{static_cast<int>(code)};
  }

  void kill() override {
    if (!send_message(channel_.get(), {MessageType::kill, {}, {}})) ::kill(pid_, SIGKILL);
  }
  pid_t pid() const override { return pid_; }

 private:
  Result<Message> expect(MessageType type) {
    Result<Message> answer = receive_message(channel_.get());
    if (!answer) return fail(Code::internal, "launcher: it ended before it answered");
    if (answer->type == type) return answer;
    if (answer->type != MessageType::failed)
      return fail(Code::internal, "launcher: unexpected answer");
    TRY_ASSIGN(Error error, decode_error(answer->payload));
    return tl::unexpected(std::move(error));
  }

  UniqueFd channel_;
  pid_t pid_;
};

}  // namespace

Result<std::unique_ptr<Launcher>> fork_launcher(const std::vector<std::string>& scrub) {
  TRY_ASSIGN(ChannelPair channel, make_channel());
  const pid_t broker = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("launcher: fork");
  if (pid == 0) {
    channel.first.reset();
    if (::getppid() != broker) ::_exit(125);
    become_launcher(std::move(channel.second), scrub);
  }
  return std::make_unique<ForkedLauncher>(std::move(channel.first), pid);
}

int exit_code_of(const Error& error) {
  constexpr int not_found = 127, not_executable = 126, own_failure = 125, layer_missing = 78;
  if (error.what.starts_with("exec: "))
    return error.code == Code::not_found ? not_found : not_executable;
  for (const char* layer : {"namespaces: ", "mount view: ", "confine: ", "landlock: ", "seccomp: ",
                            "capabilities: ", "--level: "})
    if (error.what.starts_with(layer)) return layer_missing;
  return own_failure;
}

Result<> drop_broker_capabilities() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno("broker: core limit");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("broker: dumpable");
  TRY(clear_bounding_set());
  TRY(clear_ambient_set());
  TRY(keep_capabilities({}));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("broker: no_new_privs");
  return verify_no_capabilities();
}

Result<> lock_down() {
  TRY_ASSIGN(const FilterProgram filter, compile_broker_filter());
  return install_filter(filter, Threads::all);
}

}  // namespace keyward::isolation
