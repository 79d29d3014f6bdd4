#pragma once
// How long a sandbox token may live, and how long one that was refreshed may still be used.

#include <chrono>

namespace keyward::gateway {

constexpr std::chrono::seconds shortest_token_life{60}, longest_token_life{86'400 * 7};
constexpr std::chrono::seconds longest_overlap{300};

}  // namespace keyward::gateway
