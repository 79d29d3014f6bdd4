#pragma once
// When a token is refreshed.  Pure: the life that remains and a random number in, a delay out.

#include <chrono>

#include "base/clock.hpp"

namespace keyward::identity {

// `jitter` is random in [0, 1), drawn anew each time, so that sandboxes that were started together
// do not stay together.

// What is left of a token that was not received right now: as the wall clock says, which somebody
// may have set, but never more than the whole of its life.
std::chrono::milliseconds life_left(TimePoint issued, TimePoint expires, TimePoint now);

// 80 % of the remaining life, 5 % of that earlier or later, 1 s to 12 h.  An expired token: 1 s.
std::chrono::milliseconds refresh_delay(std::chrono::milliseconds remaining, double jitter);

// After `failures` failed attempts in a row: 10 s doubling to 5 min, a fifth earlier or later, and
// at most half of the remaining life (not less than 1 s) as long as there is any.
std::chrono::milliseconds retry_delay(unsigned failures, std::chrono::milliseconds remaining,
                                      double jitter);

}  // namespace keyward::identity
