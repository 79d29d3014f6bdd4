#include "base/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/trusted_program.hpp"
#include "base/unique_fd.hpp"

namespace keyward {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr std::chrono::milliseconds exit_interval{5};

int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

tl::unexpected<Error> fail_timeout(const ProgramLimits& limits) {
  return fail(Code::timeout,
              "has not ended within " + std::to_string(limits.deadline.count()) + " ms");
}

// Ends, with all of its process group, not later than the object.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Result<int> wait_until(Deadline deadline, const ProgramLimits& limits) {
    for (;;) {
      siginfo_t ended{};
      // Looked at and left: as long as it is a zombie, its number is nobody else's.
      if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0)
        return fail_errno("cannot be waited for");
      if (ended.si_pid == pid_) return reap();
      if (milliseconds_until(deadline) == 0) return fail_timeout(limits);
      std::this_thread::sleep_for(exit_interval);
    }
  }

 private:
  Result<int> reap() {
    const pid_t pid = std::exchange(pid_, -1);
    ::kill(-pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) != pid)
      if (errno != EINTR) return fail_errno("cannot be waited for");
    return status;
  }

  pid_t pid_;
};

class SpawnSetup {
 public:
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  // 0, or an error number.
  int prepare(int output) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    constexpr short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    const int results[] = {
        ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO),
        ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1),
        ::posix_spawn_file_actions_addchdir_np(&actions_, "/"),
        ::posix_spawnattr_setpgroup(&attributes_, 0),
        ::posix_spawnattr_setsigmask(&attributes_, &none),
        ::posix_spawnattr_setsigdefault(&attributes_, &all),
        ::posix_spawnattr_setflags(&attributes_, flags)};
    for (const int result : results)
      if (result != 0) return result;
    return 0;
  }
  int spawn(pid_t& child, const std::string& program, std::vector<std::string> words) const {
    std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    char* const environment[] = {path.data(), nullptr};
    return ::posix_spawn(&child, program.c_str(), &actions_, &attributes_, arguments.data(),
                         environment);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Until the other end is closed.
Result<Secret> read_output(int fd, Deadline deadline, const ProgramLimits& limits) {
  Secret output;
  std::array<char, 1024> buffer{};
  for (;;) {
    pollfd readable{fd, POLLIN, 0};
    const int ready = ::poll(&readable, 1, milliseconds_until(deadline));
    if (ready == 0) return fail_timeout(limits);
    const ssize_t got = ready < 0 ? ready : ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("its output");
    if (got == 0) return output;
    const auto size = static_cast<std::size_t>(got);
    output.append({buffer.data(), size});
    wipe(buffer.data(), size);
    if (output.size() > limits.output)
      return fail(Code::invalid, "prints more than " + std::to_string(limits.output) + " bytes");
  }
}

Result<> check_status(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFSIGNALED(status))
    return fail(Code::unavailable, "was ended by signal " + std::to_string(WTERMSIG(status)));
  return fail(Code::unavailable, "ended with status " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace

Result<Secret> program_output(const std::vector<std::string>& words, const ProgramLimits& limits) {
  if (words.empty()) return fail(Code::invalid, "names no program");
  const Deadline deadline = std::chrono::steady_clock::now() + limits.deadline;
  TRY_ASSIGN(const std::string program, trusted_program(words.front()));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  SpawnSetup setup;
  pid_t pid = -1;
  int error = setup.prepare(theirs.get());
  if (error == 0) error = setup.spawn(pid, program, words);
  if (error != 0) return fail_errno("cannot be started", error);
  Child child(pid);
  theirs.reset();
  TRY_ASSIGN(Secret output, read_output(ours.get(), deadline, limits));
  TRY_ASSIGN(const int status, child.wait_until(deadline, limits));
  TRY(check_status(status));
  return output;
}

}  // namespace keyward
