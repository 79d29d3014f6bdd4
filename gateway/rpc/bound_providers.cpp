#include "gateway/rpc/bound_providers.hpp"

#include <mutex>
#include <optional>
#include <set>

#include "base/log.hpp"
#include "gateway/rpc/profiles.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

// Whether it is said for the first time: supervisors look every few seconds.
bool is_news(const std::string& what) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  return said.insert(what).second;
}

void say_unbound(const ProviderFacts& provider) {
  if (is_news(provider.id))
    log::error("provider_without_profile",
               {{"provider", provider.name},
                {"detail", "no sandbox gets it: there is no profile " + provider.type}});
}

void say_refused(const std::string& sandbox_id, const Error& error) {
  if (is_news(sandbox_id + error.what))
    log::error("token_grants_refused", {{"sandbox", sandbox_id},
                                        {"detail", error.what},
                                        {"effect", "the places that they are for are closed"}});
}

// None: there is no such profile.
Result<std::optional<v1::ProviderProfile>> profile_of(Store& store, const std::string& type) {
  auto profile = find_profile(store, type);
  if (profile) return std::move(*profile);
  if (profile.error().code == Code::not_found) return std::nullopt;
  return tl::unexpected(profile.error());
}

Result<> add_grants(const std::string& provider, const v1::ProviderProfile& profile,
                    std::vector<BoundGrant>& all) {
  auto grants = grants_of(provider, profile);
  const Result<> readable = grants.map([](const auto&) {});
  std::vector<BoundGrant> given = grants ? std::move(*grants) : closing_grants(provider, profile);
  std::move(given.begin(), given.end(), std::back_inserter(all));
  return readable;
}

// Users' tokens: nobody who is given the sandbox's credentials is given these.
void withhold(const v1::ProviderProfile& profile, ProviderRow& row) {
  for (const std::string& variable : subject_variables(profile)) row.credentials.erase(variable);
}
void withhold(const v1::ProviderProfile&, ProviderOutline&) {}  // it has names alone

// So that what was granted for one user's token is not used for the next one.
void name_subjects(const ProviderFacts& row, std::vector<BoundGrant>& grants) {
  for (BoundGrant& grant : grants) {
    auto& wire = *grant.credential.mutable_token_grant();
    if (grant.key.provider == row.name && !wire.subject_credential().empty())
      wire.set_subject_version(row.id + "/" + std::to_string(row.resource_version));
  }
}

template <class Row>
Result<BoundProviders<Row>> bound(Store& store, const std::string& sandbox_id,
                                  std::vector<Row> rows) {
  BoundProviders<Row> bound;
  Result<> granted;
  for (Row& row : rows) {
    TRY_ASSIGN(const auto profile, profile_of(store, row.type));
    if (!profile && row.bindings.empty()) {
      say_unbound(row);
      continue;
    }
    if (profile && row.bindings.empty()) row.bindings = bindings_of(*profile);
    const Result<> added = profile ? add_grants(row.name, *profile, bound.grants) : Result<>();
    if (profile) withhold(*profile, row);
    name_subjects(row, bound.grants);
    if (granted && !added) granted = fail_at("provider " + row.name, added.error());
    bound.rows.push_back(std::move(row));
  }
  // What was stored was checked.  What another hand has changed goes to the supervisor as it is,
  // which closes its places: left out here, requests would go there without their tokens.
  if (granted) granted = check_together(bound.grants);
  if (!granted) say_refused(sandbox_id, granted.error());
  return bound;
}

}  // namespace

Result<BoundProviders<ProviderRow>> bound_providers_of(Store& store,
                                                       const std::string& sandbox_id) {
  TRY_ASSIGN(auto rows, store.providers_of(sandbox_id));
  return bound(store, sandbox_id, std::move(rows));
}

Result<BoundProviders<ProviderOutline>> bound_outlines_of(Store& store,
                                                          const std::string& sandbox_id) {
  TRY_ASSIGN(auto rows, store.outlines_of(sandbox_id));
  return bound(store, sandbox_id, std::move(rows));
}

}  // namespace keyward::gateway
