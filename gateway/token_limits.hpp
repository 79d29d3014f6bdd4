#pragma once
// How long a sandbox token may live.

#include <chrono>

namespace keyward::gateway {

constexpr std::chrono::seconds shortest_token_life{60}, longest_token_life{86'400 * 7};

}  // namespace keyward::gateway
