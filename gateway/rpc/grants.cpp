#include "gateway/rpc/grants.hpp"

#include <algorithm>
#include <numeric>

#include "gateway/rpc/profiles.hpp"
#include "identity/rpc/grant_wire.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using identity::GrantBinding;
using identity::Selector;

constexpr std::size_t expansion_limit = 1024, grants_limit = 256;
constexpr std::size_t size_limit = 262'144;  // bytes, as a supervisor gets them

Result<std::vector<Selector>> endpoints_of(const v1::ProviderProfile& profile) {
  std::vector<Selector> endpoints;
  for (const std::string& text : bindings_of(profile)) {
    TRY_ASSIGN(Selector endpoint, netproxy::parse_binding(text));
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

std::size_t size_of(const std::vector<BoundGrant>& grants) {
  return std::accumulate(grants.begin(), grants.end(), std::size_t{0},
                         [](std::size_t sum, const BoundGrant& grant) {
                           return sum + grant.credential.ByteSizeLong();
                         });
}

// Read as a supervisor reads it.
Result<GrantBinding> read_back(const BoundGrant& grant) {
  return identity::read_wire_binding(identity::write_wire_key(grant.key),
                                     wire::from_wire(grant.credential));
}

Result<std::vector<BoundGrant>> grants_of_row(const ProviderOutline& provider,
                                              const std::map<std::string, RecordRow>& profiles) {
  const auto row = profiles.find(provider.type);
  if (row == profiles.end()) return std::vector<BoundGrant>();  // built in, or gone
  TRY_ASSIGN(const v1::ProviderProfile profile, read_profile(row->second));
  return grants_of(provider.name, profile);
}

Result<> check_sandbox(const SandboxProviders& sandbox,
                       const std::map<std::string, RecordRow>& profiles) {
  std::vector<BoundGrant> all;
  for (const ProviderOutline& provider : sandbox.providers) {
    TRY_ASSIGN(const auto grants, grants_of_row(provider, profiles));
    all.insert(all.end(), grants.begin(), grants.end());
  }
  return check_together(all);
}

}  // namespace

bool has_grants(const v1::ProviderProfile& profile) {
  return std::any_of(profile.credentials().begin(), profile.credentials().end(),
                     [](const auto& credential) { return credential.has_token_grant(); });
}

Result<std::string> subject_variable(const v1::ProviderProfile& profile,
                                     const v1::ProviderProfileCredential& credential) {
  const std::string& name = credential.token_grant().subject_credential();
  if (name.empty()) return fail(Code::not_found, "the grant has no subject_credential");
  const auto found =
      std::find_if(profile.credentials().begin(), profile.credentials().end(),
                   [&](const v1::ProviderProfileCredential& each) { return each.name() == name; });
  if (found == profile.credentials().end())
    return fail(Code::invalid, "names no credential of the profile");
  if (found->has_token_grant() || found->env_vars_size() != 1)
    return fail(Code::invalid,
                "must name a credential that is stored, under one variable (env_vars)");
  return found->env_vars(0);
}

std::set<std::string> subject_variables(const v1::ProviderProfile& profile) {
  std::set<std::string> variables;
  for (const v1::ProviderProfileCredential& credential : profile.credentials())
    if (auto variable = subject_variable(profile, credential); variable)
      variables.insert(std::move(*variable));
  return variables;
}

Result<std::vector<BoundGrant>> grants_of(const std::string& provider,
                                          const v1::ProviderProfile& profile,
                                          const v1::ProviderProfileCredential& credential) {
  TRY_ASSIGN(GrantBinding defaults, identity::read_wire_grant(wire::from_wire(credential)));
  defaults.identity = provider + ":" + credential.name();
  TRY_ASSIGN(const auto endpoints, endpoints_of(profile));
  TRY_ASSIGN(const auto overrides, wire::overrides_from_wire(credential.token_grant()));
  if (endpoints.size() * (overrides.size() + 1) > expansion_limit)
    return fail(Code::invalid, "token grant: more than 1024 endpoints, ports and overrides");
  TRY_ASSIGN(const auto bindings, identity::expand_overrides(defaults, endpoints, overrides));
  std::vector<BoundGrant> grants;
  for (const GrantBinding& binding : bindings)
    grants.push_back(
        {{binding.where, provider, credential.name()}, wire::to_wire(binding, credential)});
  return grants;
}

Result<std::vector<BoundGrant>> grants_of(const std::string& provider,
                                          const v1::ProviderProfile& profile) {
  std::vector<BoundGrant> all;
  for (const auto& credential : profile.credentials()) {
    if (!credential.has_token_grant()) continue;
    auto grants = grants_of(provider, profile, credential);
    if (!grants) return fail_at(provider + ":" + credential.name(), grants.error());
    std::move(grants->begin(), grants->end(), std::back_inserter(all));
    if (all.size() > grants_limit || size_of(all) > size_limit)
      return fail(Code::invalid,
                  "token grants: more than 256 bindings or 262144 bytes of one profile");
  }
  return all;
}

std::vector<BoundGrant> closing_grants(const std::string& provider,
                                       const v1::ProviderProfile& profile) {
  std::vector<BoundGrant> all;
  for (const auto& credential : profile.credentials()) {
    if (!credential.has_token_grant()) continue;
    v1::ProviderProfileCredential nothing;  // neither a server nor anything to ask it for
    nothing.set_name(credential.name());
    nothing.mutable_token_grant();
    for (const std::string& text : bindings_of(profile)) {
      auto where = netproxy::parse_binding(text);
      all.push_back(
          {{where ? std::move(*where) : Selector(), provider, credential.name()}, nothing});
    }
  }
  return all;
}

Result<> check_together(const std::vector<BoundGrant>& grants) {
  std::vector<GrantBinding> bindings;
  for (const BoundGrant& grant : grants) {
    TRY_ASSIGN(GrantBinding binding, read_back(grant));
    bindings.push_back(std::move(binding));
  }
  const auto table = identity::BindingTable::build(std::move(bindings));
  if (table) return {};
  return fail(Code::precondition, table.error().what);
}

GivenRule grants_rule() {
  return [](const GivenProviders& given) -> Result<> {
    for (const SandboxProviders& sandbox : given.sandboxes)
      if (const Result<> checked = check_sandbox(sandbox, given.profiles); !checked)
        return fail(Code::precondition,
                    "sandbox '" + sandbox.sandbox + "': " + checked.error().what);
    return {};
  };
}

}  // namespace keyward::gateway
