#include "identity/jwt/registered_claims.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace keyward::identity {
namespace {

constexpr double latest_time = 253402300799.0;  // the end of year 9999

bool is_text(const nlohmann::json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

}  // namespace

bool names_audience(const nlohmann::json& claims, std::string_view audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  if (!found->is_array()) return is_text(*found, audience);
  return std::any_of(found->begin(), found->end(),
                     [&](const nlohmann::json& each) { return is_text(each, audience); });
}

bool is_only_audience(const nlohmann::json& claims, std::string_view audience) {
  if (!names_audience(claims, audience)) return false;
  const nlohmann::json& found = *claims.find("aud");
  return !found.is_array() || found.size() == 1;
}

std::optional<TimePoint> numeric_date(const nlohmann::json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds <= latest_time)) return std::nullopt;
  return TimePoint(std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

}  // namespace keyward::identity
