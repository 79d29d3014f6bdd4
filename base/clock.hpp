#pragma once
// Time as a parameter: what decides takes a time point, what loops takes a Clock.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace keyward {

using TimePoint = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;  // any thread
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
};

// Time that nobody can set, and that goes on while the machine sleeps (CLOCK_BOOTTIME): for how
// long something may be used.
struct SinceBoot {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<SinceBoot>;
  static constexpr bool is_steady = true;
};
using BootTime = SinceBoot::time_point;

class MonotonicClock {
 public:
  virtual ~MonotonicClock() = default;
  virtual BootTime now() const = 0;  // any thread
};

class BootClock final : public MonotonicClock {
 public:
  BootTime now() const override;
};

std::string amz_date(TimePoint time);  // "20150830T123600Z", UTC (SigV4's x-amz-date)
// The inverse; nullopt: not exactly that form, or no such day or time.
std::optional<TimePoint> parse_amz_date(std::string_view text);
std::string iso_time(TimePoint time);  // "2015-08-30T12:36:00.000Z", UTC (RFC 3339)

}  // namespace keyward
