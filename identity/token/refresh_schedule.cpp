#include "identity/token/refresh_schedule.hpp"

#include <algorithm>

namespace keyward::identity {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr milliseconds shortest = 1s, longest = 12h, first_retry = 10s, longest_retry = 5min;

milliseconds scale(milliseconds duration, double factor) {
  return milliseconds(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor));
}

// 1 - width … 1 + width
double spread(double jitter, double width) {
  return 1 - width + 2 * width * std::clamp(jitter, 0.0, 1.0);
}

}  // namespace

milliseconds life_left(TimePoint issued, TimePoint expires, TimePoint now) {
  return std::min(expires - now, expires - issued);
}

milliseconds refresh_delay(milliseconds remaining, double jitter) {
  const milliseconds planned = std::clamp(scale(remaining, 0.8), milliseconds(0), longest);
  return std::clamp(scale(planned, spread(jitter, 0.05)), shortest, longest);
}

milliseconds retry_delay(unsigned failures, milliseconds remaining, double jitter) {
  const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0, 5U);
  const milliseconds planned = std::min(first_retry * (1 << doublings), longest_retry);
  const milliseconds delay = scale(planned, spread(jitter, 0.2));
  if (remaining <= 0ms) return delay;
  return std::min(delay, std::max(shortest, remaining / 2));
}

}  // namespace keyward::identity
