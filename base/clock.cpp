#include "base/clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace keyward {
namespace {

std::tm utc(TimePoint time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

TimePoint SystemClock::now() const {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

BootTime BootClock::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return BootTime(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)));
}

std::string amz_date(TimePoint time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::string text;
  const auto append = [&text](auto number) {  // two digits
    text += static_cast<char>('0' + number / 10 % 10);
    text += static_cast<char>('0' + number % 10);
  };
  append(static_cast<int>(date.year()) / 100);
  append(static_cast<int>(date.year()));
  append(static_cast<unsigned>(date.month()));
  append(static_cast<unsigned>(date.day()));
  text += 'T';
  append(clock.hours().count());
  append(clock.minutes().count());
  append(clock.seconds().count());
  return text += 'Z';
}

std::optional<TimePoint> parse_amz_date(std::string_view text) {
  constexpr std::string_view form = "ddddddddTddddddZ";
  if (text.size() != form.size()) return std::nullopt;
  std::array<unsigned, form.size()> digit{};
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return std::nullopt;
    digit[i] = static_cast<unsigned>(text[i] - '0');
  }
  const auto pair = [&digit](std::size_t at) { return digit[at] * 10 + digit[at + 1]; };
  using namespace std::chrono;
  const year_month_day day(year(static_cast<int>(pair(0) * 100 + pair(2))), month(pair(4)),
                           std::chrono::day(pair(6)));
  if (!day.ok() || pair(9) > 23 || pair(11) > 59 || pair(13) > 59) return std::nullopt;
  return TimePoint(sys_days(day) + hours(pair(9)) + minutes(pair(11)) + seconds(pair(13)));
}

std::string iso_time(TimePoint time) {
  const std::tm parts = utc(time);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto since = time.time_since_epoch();
  const auto millis = (since - std::chrono::floor<std::chrono::seconds>(since)).count();
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(millis));
  return std::string(text.data(), size) + fraction.data();
}

}  // namespace keyward
