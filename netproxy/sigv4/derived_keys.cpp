#include "netproxy/sigv4/derived_keys.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

namespace keyward::netproxy {
namespace {

using std::chrono::days;

// Nullopt: something else than digits.
std::optional<int> number_of(std::string_view digits) {
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

}  // namespace

Result<KeyValidity> validity_of_date(std::string_view date) {
  const auto number = date.size() == 8 ? number_of(date) : std::nullopt;
  const std::chrono::year_month_day day{
      std::chrono::year(number.value_or(0) / 10'000),
      std::chrono::month(static_cast<unsigned>(number.value_or(0) / 100 % 100)),
      std::chrono::day(static_cast<unsigned>(number.value_or(0) % 100))};
  if (!number || !day.ok()) return fail(Code::invalid, "a key's date is not YYYYMMDD");
  const std::chrono::sys_days start(day);
  return KeyValidity{TimePoint(start) - skew_window, TimePoint(start + days(1)) + skew_window};
}

bool is_scope_name(std::string_view name) {
  constexpr std::size_t limit = 64;
  return !name.empty() && name.size() <= limit && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

const DerivedKey* find_key(const std::vector<DerivedKey>& keys, const SigningScope& scope) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const DerivedKey& key) {
    return key.scope.date == scope.date && key.scope.region == scope.region &&
           key.scope.service == scope.service;
  });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace keyward::netproxy
