#include "gateway/issue/derived_keys.hpp"

#include <algorithm>

#include "base/crypto.hpp"

namespace keyward::gateway {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr std::size_t pairs_limit = 64;
constexpr std::chrono::milliseconds earliest_push = 40min, push_window = 20min;
constexpr const char* key_id_name = "AWS_ACCESS_KEY_ID";
constexpr const char* secret_name = "AWS_SECRET_ACCESS_KEY";
constexpr const char* session_name = "AWS_SESSION_TOKEN";

Result<> check_names(const std::vector<std::string>& names, const std::string& what) {
  if (names.empty())
    return fail(Code::invalid, "derived keys need at least one service and one region");
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (!netproxy::is_scope_name(*name))
      return fail(Code::invalid, "derived keys: a " + what +
                                     " is lower-case letters, digits and hyphens, and no pattern");
    if (std::find(names.begin(), name, *name) != name)
      return fail(Code::invalid, "derived keys: " + what + " " + *name + " is there twice");
  }
  return {};
}

// How long before midnight UTC the sandbox is given the next day's keys: the same each day, and
// spread over the sandboxes, so that they do not all ask at once.
std::chrono::milliseconds lead_of(const std::string& sandbox_id) {
  const Digest digest = sha256("derived keys of " + sandbox_id);
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | digest.at(i);
  return earliest_push - std::chrono::milliseconds(number % push_window.count());
}

std::string date_of(std::chrono::sys_days day) { return amz_date(TimePoint(day)).substr(0, 8); }

}  // namespace

Result<> check_derived_keys(const ProviderRow& provider) {
  const DerivedKeyScopes& scopes = provider.derived_keys;
  TRY(check_names(scopes.services, "service"));
  TRY(check_names(scopes.regions, "region"));
  if (scopes.services.size() * scopes.regions.size() > pairs_limit)
    return fail(Code::invalid, "derived keys: more than 64 pairs of service and region");
  for (const char* name : {key_id_name, secret_name})
    if (provider.credentials.count(name) == 0)
      return fail(Code::invalid, std::string("derived keys need ") + name);
  for (const auto& [name, value] : provider.credentials)
    if (name != key_id_name && name != secret_name && name != session_name)
      return fail(Code::invalid, "derived keys: nothing can be derived from " + name +
                                     "; make a provider of its own for it");
  return {};
}

std::vector<std::string> key_dates(const std::string& sandbox_id, TimePoint now) {
  const auto today = std::chrono::floor<days>(now);
  std::vector<std::string> dates;
  if (now < TimePoint(today) + netproxy::skew_window) dates.push_back(date_of(today - days(1)));
  dates.push_back(date_of(today));
  if (now >= TimePoint(today + days(1)) - lead_of(sandbox_id))
    dates.push_back(date_of(today + days(1)));
  return dates;
}

std::vector<netproxy::DerivedKey> derive_keys(const ProviderRow& provider,
                                              const std::vector<std::string>& dates) {
  const Secret& secret = provider.credentials.at(secret_name);
  std::vector<netproxy::DerivedKey> keys;
  for (const std::string& date : dates) {
    const auto validity = netproxy::validity_of_date(date);
    if (!validity) continue;  // key_dates() makes none that is malformed
    for (const std::string& region : provider.derived_keys.regions)
      for (const std::string& service : provider.derived_keys.services) {
        const netproxy::SigningScope scope{date, region, service};
        keys.push_back({scope, netproxy::derive_signing_key(secret, scope), *validity});
      }
  }
  return keys;
}

}  // namespace keyward::gateway
