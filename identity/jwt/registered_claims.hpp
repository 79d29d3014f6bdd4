#pragma once
// The registered claims that every verifier here reads in one way (RFC 7519 section 4.1).  Pure.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "base/clock.hpp"

namespace keyward::identity {

// `aud` is this audience, or an array that has it among its members.
bool names_audience(const nlohmann::json& claims, std::string_view audience);
// `aud` is this audience, or an array of nothing else.
bool is_only_audience(const nlohmann::json& claims, std::string_view audience);
// NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction, up to the end of year 9999.
std::optional<TimePoint> numeric_date(const nlohmann::json& claims, const char* name);

}  // namespace keyward::identity
