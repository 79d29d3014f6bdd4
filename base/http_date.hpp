#pragma once
// The date of HTTP messages (RFC 9110 section 5.6.7, IMF-fixdate).  Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace keyward {

std::string http_date(TimePoint time);  // "Sun, 06 Nov 1994 08:49:37 GMT"

// nullopt: not exactly that form, no such day or time, or another day of the week.
std::optional<TimePoint> parse_http_date(std::string_view text);

}  // namespace keyward
