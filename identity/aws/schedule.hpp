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

}  // namespace keyward::identity
