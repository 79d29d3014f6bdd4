#include "base/http_date.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace keyward {
namespace {

constexpr std::array<std::string_view, 7> day_names = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> month_names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
// Where letters and digits stand: `a` and `d`.
constexpr std::string_view form = "aaa, dd aaa dddd dd:dd:dd GMT";

bool has_form(std::string_view text) {
  if (text.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool right = form[i] == 'd'   ? text[i] >= '0' && text[i] <= '9'
                       : form[i] == 'a' ? text[i] >= 'A' && text[i] <= 'z'
                                        : text[i] == form[i];
    if (!right) return false;
  }
  return true;
}

unsigned number(std::string_view digits) {
  unsigned value = 0;
  for (const char digit : digits) value = value * 10 + static_cast<unsigned>(digit - '0');
  return value;
}

}  // namespace

std::string http_date(TimePoint time) {
  using namespace std::chrono;
  const auto day = floor<std::chrono::days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                day_names.at(weekday(day).c_encoding()).data(), static_cast<unsigned>(date.day()),
                month_names.at(static_cast<unsigned>(date.month()) - 1).data(),
                static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::optional<TimePoint> parse_http_date(std::string_view text) {
  if (!has_form(text)) return std::nullopt;
  using namespace std::chrono;
  const auto* const found = std::find(month_names.begin(), month_names.end(), text.substr(8, 3));
  if (found == month_names.end()) return std::nullopt;
  const year_month_day date(year(static_cast<int>(number(text.substr(12, 4)))),
                            month(static_cast<unsigned>(found - month_names.begin()) + 1),
                            day(number(text.substr(5, 2))));
  const unsigned hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)),
                 second = number(text.substr(23, 2));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  if (day_names.at(weekday(sys_days(date)).c_encoding()) != text.substr(0, 3)) return std::nullopt;
  return TimePoint(sys_days(date) + hours(hour) + minutes(minute) + seconds(second));
}

}  // namespace keyward
