#pragma once
// PID 1 of the sandbox: builds the view, waits for "start", forks the confined program, reaps,
// forwards signals, and takes everything down when the program ends.  Single-threaded.

#include <string>

#include "base/unique_fd.hpp"
#include "isolation/mount_view.hpp"

namespace keyward::isolation {

struct InitOrder {
  ViewSpec view;
};

// Never returns.  `channel` leads to the launcher.
[[noreturn]] void run_sandbox_init(const InitOrder& order, UniqueFd channel);

}  // namespace keyward::isolation
