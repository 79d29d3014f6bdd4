#pragma once
// Signals as data: blocked in every thread, read from one descriptor (signalfd(2)).

#include <array>
#include <csignal>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keyward::supervisor {

// What an operator or an engine may send to the sandbox through its supervisor.
constexpr std::array<int, 7> forwarded_signals = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                                  SIGUSR1, SIGUSR2, SIGWINCH};

// Blocks the forwarded signals and SIGCHLD for the calling thread and all that it will start,
// ignores SIGPIPE, and returns the descriptor.  Call it before the first thread.
Result<UniqueFd> take_signals();

// The next pending signal, 0 when there is none.
Result<int> next_signal(const UniqueFd& signals);

// Reaps children that are not ours (orphans that an engine hands to PID 1); the launcher's status
// is left alone.
void reap_strays(pid_t launcher);

}  // namespace keyward::supervisor
