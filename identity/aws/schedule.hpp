#pragma once
// When keys are renewed.  Pure.

#include <chrono>
#include <optional>

namespace keyward::identity {

// `remaining`: of the keys' life, nothing when they have no end.  `margin`: how long before their
// end they must have been replaced.  `jitter` is random in [0, 1).
//
// Keys with an end: when four fifths of what lies before the margin are over, a twentieth of that
// earlier or later, within 10 s (or what remains) and 12 h.  Keys without one: after a minute,
// because the file that they stand in may have been replaced.
std::chrono::milliseconds renewal_delay(std::optional<std::chrono::milliseconds> remaining,
                                        std::chrono::milliseconds margin, double jitter);

// After `failures` failed attempts in a row: as retry_delay (identity/token), but not more than
// half a minute where there are no keys that could be used meanwhile.
std::chrono::milliseconds retry_renewal_delay(unsigned failures,
                                              std::optional<std::chrono::milliseconds> remaining,
                                              bool has_keys, double jitter);

}  // namespace keyward::identity
