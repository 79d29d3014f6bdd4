#include "supervisor/signals.hpp"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace keyward::supervisor {

Result<UniqueFd> take_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : forwarded_signals) ::sigaddset(&set, number);
  ::sigaddset(&set, SIGCHLD);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("signals: block");
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, nullptr) != 0) return fail_errno("signals: ignore SIGPIPE");
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("signals: signalfd");
  return fd;
}

Result<int> next_signal(const UniqueFd& signals) {
  signalfd_siginfo info{};
  const ssize_t got = ::read(signals.get(), &info, sizeof info);
  if (got == sizeof info) return static_cast<int>(info.ssi_signo);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return fail_errno("signals: read");
}

void reap_strays(pid_t launcher) {
  for (;;) {
    siginfo_t info{};
    // Look first: taking the launcher's status here would take it from its owner.
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
        info.si_pid == launcher)
      return;
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
  }
}

}  // namespace keyward::supervisor
