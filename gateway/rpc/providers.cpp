#include "gateway/rpc/providers.hpp"

#include <set>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/issue/derived_keys.hpp"
#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/list_answer.hpp"
#include "gateway/rpc/names.hpp"
#include "gateway/rpc/profiles.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace data = openshell::datamodel::v1;

constexpr int credentials_limit = 32, config_limit = 64;
constexpr const char* redacted = "REDACTED";  // what stands for a value in every answer

Result<> check_credentials(const v1::ProviderProfile& profile, const ProviderRow& row) {
  if (row.credentials.empty() && !has_grants(profile))
    return fail(Code::invalid, "provider.credentials must not be empty");
  if (profile.credentials().empty()) return {};  // any
  std::set<std::string> known;
  for (const auto& credential : profile.credentials()) {
    if (credential.has_token_grant()) continue;  // asked for when it is needed
    const auto& variables = credential.env_vars();
    known.insert(variables.begin(), variables.end());
    const bool given = std::any_of(variables.begin(), variables.end(), [&](const auto& variable) {
      return row.credentials.count(variable) > 0;
    });
    if (credential.required() && !given)
      return fail(Code::invalid, "a provider of type " + row.type + " needs " +
                                     (variables.empty() ? credential.name() : variables.Get(0)));
  }
  for (const auto& [name, value] : row.credentials)
    if (known.count(name) == 0)
      return fail(Code::invalid, name + " is no credential of the profile " + row.type);
  return {};
}

Result<> check_bindings(const v1::ProviderProfile& profile, const ProviderRow& row) {
  for (const std::string& binding : row.bindings) TRY(netproxy::parse_binding(binding));
  if (!row.bindings.empty() && row.credentials.empty())
    return fail(Code::invalid,
                "--bind is for a provider's own credentials; token grants are bound to their "
                "profile's endpoints");
  if (!row.bindings.empty() && !subject_variables(profile).empty())
    return fail(Code::invalid,
                "--bind is not for a provider with a user's token, which goes to a token endpoint "
                "alone");
  if (!row.bindings.empty() || !profile.endpoints().empty()) return {};
  return fail(Code::invalid,
              "an unbound credential is usable nowhere; add --bind HOST[:PORT][/PATH], or import a "
              "profile with endpoints and make it the provider's type");
}

Result<> check_sizes(const data::Provider& provider) {
  if (provider.credentials_size() > credentials_limit)
    return fail(Code::invalid, "provider.credentials: more than 32");
  if (provider.config_size() > config_limit)
    return fail(Code::invalid, "provider.config: more than 64");
  if (!provider.credential_handles().empty())
    return fail(Code::invalid, "provider.credential_handles is set by the gateway");
  return check_workspace(provider.profile_workspace());
}

Result<> set_expiry(ProviderRow& row, const google::protobuf::Map<std::string, std::int64_t>& map) {
  for (const auto& [name, time] : map) {
    if (time < 0) return fail(Code::invalid, "credential_expires_at_ms must not be negative");
    if (row.credentials.count(name) == 0)
      return fail(Code::invalid, "credential_expires_at_ms: there is no credential " +
                                     std::string(utf8_prefix(name, 128)));
    if (time == 0)
      row.expires.erase(name);
    else
      row.expires[name] = time;
  }
  return {};
}

// An absent key stays, an empty value deletes.  What an answer showed for a value means it: whoever
// gets a provider, changes it and sends it back must not destroy what was not shown.
Result<> merge(const data::Provider& provider, ProviderRow& row) {
  for (const auto& [name, value] : provider.credentials()) {
    const bool there = row.credentials.count(name) > 0;
    if (value == redacted && there) continue;
    if (value == redacted)
      return fail(Code::invalid,
                  "provider.credentials: REDACTED stands for a value that is there "
                  "already, and there is none");
    row.credentials.erase(name);
    if (value.empty())
      row.expires.erase(name);
    else
      row.credentials.emplace(name, Secret(value));
  }
  for (const auto& [name, value] : provider.config()) {
    row.config.erase(name);
    if (!value.empty()) row.config.emplace(name, value);
  }
  return {};
}

ProviderOutline outline_of(const ProviderRow& row) {
  ProviderOutline outline{static_cast<const ProviderFacts&>(row), {}};
  for (const auto& [name, value] : row.credentials) outline.variables.push_back(name);
  return outline;
}

}  // namespace

Result<std::optional<RecordVersion>> check_provider(Store& store, const ProviderRow& row) {
  TRY(check_name("provider", row.name));
  auto profile = find_profile(store, row.type);
  if (!profile && profile.error().code == Code::not_found)
    return fail(Code::invalid, "provider type: " + profile.error().what);
  if (!profile) return tl::unexpected(profile.error());
  TRY(check_credentials(*profile, row));
  for (const auto& [name, value] : row.credentials) {
    TRY(check_variable(name));
    TRY(check_value(name, value.reveal()));
  }
  for (const auto& [name, value] : row.config) {
    TRY(check_variable(name));
    TRY(check_value(name, value));
    if (row.credentials.count(name) > 0)
      return fail(Code::invalid, name + " is both a credential and config; a variable is one");
  }
  TRY(check_bindings(*profile, row));
  if (!row.derived_keys.empty()) TRY(check_derived_keys(row));
  TRY_ASSIGN(const auto grants, grants_of(row.name, *profile));
  TRY(check_together(grants));
  return version_of(*profile);
}

void fill(const ProviderOutline& row, data::Provider& provider) {
  auto& metadata = *provider.mutable_metadata();
  metadata.set_id(row.id);
  metadata.set_name(row.name);
  metadata.set_created_at_ms(unix_millis(row.created));
  metadata.set_resource_version(row.resource_version);
  metadata.set_workspace(default_workspace);
  provider.set_type(row.type);
  for (const std::string& name : row.variables) (*provider.mutable_credentials())[name] = redacted;
  provider.mutable_config()->insert(row.config.begin(), row.config.end());
  provider.mutable_credential_expires_at_ms()->insert(row.expires.begin(), row.expires.end());
  provider.set_profile_workspace(default_workspace);
}

Result<> create_provider(const CallContext& call, const v1::CreateProviderRequest& request,
                         v1::ProviderResponse& response) {
  TRY(check_workspace(request.workspace()));
  if (!request.has_provider()) return fail(Code::invalid, "provider is required");
  const data::Provider& provider = request.provider();
  if (provider.type().empty()) return fail(Code::invalid, "provider.type is required");
  TRY(check_sizes(provider));
  ProviderRow row;
  row.id = random_uuid();
  row.name = provider.metadata().name();
  if (row.name.empty()) row.name = provider.type() + "-" + row.id.substr(0, 8);
  row.type = provider.type();
  row.created = call.now();
  TRY(merge(provider, row));
  TRY(set_expiry(row, provider.credential_expires_at_ms()));
  TRY_ASSIGN(const auto profile, check_provider(call.store(), row));
  TRY(call.store().create_provider(row, profile));
  fill(outline_of(row), *response.mutable_provider());
  return {};
}

Result<> get_provider(const CallContext& call, const v1::GetProviderRequest& request,
                      v1::ProviderResponse& response) {
  TRY(check_workspace(request.workspace()));
  if (request.name().empty()) return fail(Code::invalid, "name is required");
  TRY_ASSIGN(const ProviderOutline row, call.store().outline_by_name(request.name()));
  fill(row, *response.mutable_provider());
  return {};
}

Result<> list_providers(const CallContext& call, const v1::ListProvidersRequest& request,
                        v1::ListProvidersResponse& response) {
  TRY(check_workspaces(call, request.workspace(), request.all_workspaces()));
  TRY_ASSIGN(auto rows, call.store().outlines());
  cut_page(rows, request.limit(), request.offset());
  AnswerSpace space;
  for (const ProviderOutline& row : rows) {
    data::Provider provider;
    fill(row, provider);
    if (!space.takes(provider)) break;
    *response.add_providers() = std::move(provider);
  }
  return {};
}

Result<ProviderOutline> change_provider(Store& store, const v1::UpdateProviderRequest& request) {
  if (!request.has_provider()) return fail(Code::invalid, "provider is required");
  const data::Provider& provider = request.provider();
  TRY(check_sizes(provider));
  TRY_ASSIGN(ProviderRow row, store.provider_by_name(provider.metadata().name()));
  if (!provider.type().empty() && provider.type() != row.type)
    return fail(Code::invalid, "provider.type cannot be changed");
  const std::uint64_t expected = provider.metadata().resource_version();
  if (expected != 0 && expected != row.resource_version)
    return fail(Code::conflict,
                "the provider's resource version is not " + std::to_string(expected));
  TRY(merge(provider, row));
  TRY(set_expiry(row, provider.credential_expires_at_ms()));
  TRY(set_expiry(row, request.credential_expires_at_ms()));
  TRY_ASSIGN(const auto profile, check_provider(store, row));
  TRY(store.update_provider(row, profile));
  return store.outline_by_name(row.name);
}

Result<> update_provider(const CallContext& call, const v1::UpdateProviderRequest& request,
                         v1::ProviderResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(const ProviderOutline stored, change_provider(call.store(), request));
  fill(stored, *response.mutable_provider());
  return {};
}

Result<> delete_provider(const CallContext& call, const v1::DeleteProviderRequest& request,
                         v1::DeleteProviderResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(const bool deleted, call.store().delete_provider(request.name()));
  response.set_deleted(deleted);
  return {};
}

}  // namespace keyward::gateway
