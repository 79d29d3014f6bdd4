#include "identity/aws/schedule.hpp"

#include <algorithm>

#include "identity/token/refresh_schedule.hpp"

namespace keyward::identity {
namespace {

constexpr std::chrono::milliseconds shortest_pause{10'000}, longest_without_keys{30'000};

}  // namespace

std::chrono::milliseconds renewal_delay(std::optional<std::chrono::milliseconds> remaining,
                                        std::chrono::milliseconds margin, double jitter) {
  if (!remaining) return std::chrono::minutes(1);
  const std::chrono::milliseconds before_margin =
      std::max(*remaining - margin, std::chrono::milliseconds(0));
  // A service may give the same keys until shortly before their end: it is not asked all the time.
  return std::max(refresh_delay(before_margin, jitter), std::min(shortest_pause, *remaining));
}

std::chrono::milliseconds retry_renewal_delay(unsigned failures,
                                              std::optional<std::chrono::milliseconds> remaining,
                                              bool has_keys, double jitter) {
  const std::chrono::milliseconds none(0), left = remaining.value_or(none);
  const std::chrono::milliseconds delay = retry_delay(failures, std::max(left, none), jitter);
  const bool usable = has_keys && (!remaining || left > none);
  return usable ? delay : std::min(delay, longest_without_keys);
}

}  // namespace keyward::identity
