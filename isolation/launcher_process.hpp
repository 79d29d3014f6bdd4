#pragma once
// The launcher process as its forker sees it.

#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace keyward::isolation {

// In the forked child: scrubs its copy of the environment and serves the channel until the broker
// or the sandbox is gone.
[[noreturn]] void become_launcher(UniqueFd broker, const std::vector<std::string>& scrub);

}  // namespace keyward::isolation
