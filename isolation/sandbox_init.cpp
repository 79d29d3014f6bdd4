#include "isolation/sandbox_init.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "isolation/capabilities.hpp"
#include "isolation/child_exec.hpp"
#include "isolation/hidden.hpp"
#include "isolation/launch_channel.hpp"

namespace keyward::isolation {
namespace {

constexpr int own_failure = 125;

std::vector<std::string> writable_directories(const ViewSpec& view, const FilesystemRules& rules) {
  std::vector<std::string> writable = view.plan.tmpfs;
  writable.insert(writable.end(), {"/dev", view.user.home});
  writable.insert(writable.end(), rules.read_write.begin(), rules.read_write.end());
  return writable;
}

// What the child said before it became the program: nothing means that exec succeeded (the pipe is
// close-on-exec).
Result<> read_report(const UniqueFd& pipe) {
  std::string bytes;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (bytes.empty()) return {};
  TRY_ASSIGN(Error error, decode_error(bytes));
  return tl::unexpected(std::move(error));
}

Result<pid_t> fork_program(const ConfinedProgram& confined) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("init: pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("init: fork");
  if (child == 0) confine_and_exec(confined, writing.get());
  writing.reset();
  const Result<> report = read_report(reading);
  if (!report) {
    ::waitpid(child, nullptr, 0);
    return tl::unexpected(report.error());
  }
  return child;
}

Result<pid_t> start_program(const InitOrder& order, const std::string& payload,
                            HiddenWatch& hidden) {
  TRY_ASSIGN(const ProgramSpec program, decode_program_spec(payload));
  if (program.arguments.empty()) return fail(Code::invalid, "start: no program");
  TRY(seal_files(order.view.files_directory, program.files));
  for (const std::string& path : program.filesystem.read_write)
    if (!is_below(path, "/tmp") && !is_below(path, "/run") && !is_below(path, order.view.user.home))
      TRY(make_writable(path));
  TRY(hidden.look());
  TRY(verify_view(order.view));
  TRY_ASSIGN(const FilterProgram filter, compile_child_filter());
  TRY_ASSIGN(const LandlockDomain landlock,
             make_landlock_domain(program.filesystem,
                                  writable_directories(order.view, program.filesystem)));
  return fork_program({program, order.view.user, filter, landlock, order.view.plan.secrets});
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Reaps everything that has ended; the program's own status, if it is among them.
std::optional<int> reap(pid_t program) {
  std::optional<int> ended;
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return ended;
    if (pid == program) ended = exit_code(status);
  }
}

[[noreturn]] void fail_and_exit(const UniqueFd& channel, const Error& error) {
  (void)send_message(channel.get(), {MessageType::failed, encode(error), {}});
  ::_exit(own_failure);
}

// The channel is closed when the launcher, and with it the broker, is gone: then nothing here may
// live on.
[[noreturn]] void serve(pid_t program, const UniqueFd& channel, const UniqueFd& signals,
                        HiddenWatch& hidden) {
  for (;;) {
    std::array<pollfd, 3> waiting = {
        {{channel.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}, {hidden.fd(), POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), hidden.interval_ms());
    if (ready < 0 && errno != EINTR) ::_exit(own_failure);
    if (waiting[0].revents != 0) {
      const Result<Message> message = receive_message(channel.get());
      if (!message) ::_exit(own_failure);
      const Result<std::int64_t> number = decode_number(message->payload);
      // To the whole group, as a terminal would; the program made one of its own.
      if (message->type == MessageType::signal && number)
        ::kill(-program, static_cast<int>(*number));
    }
    if (ready == 0 || waiting[2].revents != 0)
      if (const Result<> still = hidden.look(); !still) fail_and_exit(channel, still.error());
    signalfd_siginfo drained{};
    while (::read(signals.get(), &drained, sizeof drained) > 0) {
    }
    if (const auto code = reap(program)) {
      (void)send_message(channel.get(), {MessageType::ended, encode_number(*code), {}});
      ::_exit(0);  // the kernel ends every other process of the namespace
    }
  }
}

Result<UniqueFd> prepare_process() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    return fail_errno("init: parent-death signal");
  if (::prctl(PR_SET_NAME, "keyward-init", 0, 0, 0) != 0) return fail_errno("init: name");
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &child, nullptr);
  UniqueFd signals(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail_errno("init: signalfd");
  return signals;
}

}  // namespace

void run_sandbox_init(const InitOrder& order, UniqueFd channel) {
  const Result<UniqueFd> signals = prepare_process();
  if (!signals) fail_and_exit(channel, signals.error());
  Result<std::map<std::string, std::string>> evidence = enter_view(order.view);
  if (!evidence) fail_and_exit(channel, evidence.error());
  Result<HiddenWatch> hidden = HiddenWatch::begin(order.view.plan);  // before the look: no gap
  if (!hidden) fail_and_exit(channel, hidden.error());
  if (const Result<> verified = verify_view(order.view); !verified)
    fail_and_exit(channel, verified.error());
  BuiltSandbox built;
  built.proxy_port = 1;  // the launcher knows the real one
  built.evidence = std::move(*evidence);
  if (!send_message(channel.get(), {MessageType::built, encode(built), {}})) ::_exit(own_failure);

  const Result<Message> go = receive_message(channel.get());  // no "go", no execution
  if (!go || go->type != MessageType::start) ::_exit(own_failure);
  const Result<pid_t> program = start_program(order, go->payload, *hidden);
  if (!program) fail_and_exit(channel, program.error());
  if (const Result<> kept = keep_capabilities({CAP_KILL}); !kept)
    fail_and_exit(channel, kept.error());
  if (!send_message(channel.get(), {MessageType::started, {}, {}})) ::_exit(own_failure);
  serve(*program, channel, *signals, *hidden);
}

}  // namespace keyward::isolation
