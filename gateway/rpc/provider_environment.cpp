#include "gateway/rpc/provider_environment.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/issue/derived_keys.hpp"
#include "gateway/rpc/call_context.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "identity/rpc/grant_wire.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

Result<openshell::v1::StaticCredentialBinding> binding_of(const ProviderRow& provider,
                                                          const std::string& key) {
  openshell::v1::StaticCredentialBinding binding;
  for (const std::string& text : provider.bindings) {
    TRY_ASSIGN(const netproxy::EndpointBinding endpoint, netproxy::parse_binding(text));
    auto* entry = binding.add_endpoints();
    entry->set_host(endpoint.host);
    entry->set_port(endpoint.port);
    entry->set_path(endpoint.path);
  }
  // The provider's name in front, so that a supervisor can tell which keys belong together.
  binding.set_credential_identity(provider.name + ":" + key);
  return binding;
}

Result<> add(openshell::v1::GetSandboxProviderEnvironmentResponse& response,
             const std::string& name, std::string_view value) {
  const auto [entry, added] = response.mutable_environment()->insert({name, std::string(value)});
  if (!added)
    return fail(Code::denied, "two providers of this sandbox set " + name + "; detach one");
  return {};
}

Result<> add_credentials(v1::GetSandboxProviderEnvironmentResponse& response,
                         const ProviderRow& provider) {
  for (const auto& [name, value] : provider.credentials) {
    TRY(add(response, name, value.reveal()));
    if (const auto expires = provider.expires.find(name); expires != provider.expires.end())
      (*response.mutable_credential_expires_at_ms())[name] = expires->second;
    TRY_ASSIGN((*response.mutable_static_credential_bindings())[name], binding_of(provider, name));
  }
  return {};
}

// Everything of the credentials but the secret.
Result<v1::DerivedKeyCredentials> derived_keys_of(const ProviderRow& provider,
                                                  const SandboxMoment& at) {
  v1::DerivedKeyCredentials wire;
  TRY(check_derived_keys(provider));
  TRY_ASSIGN(*wire.mutable_binding(), binding_of(provider, "derived_keys"));
  wire.set_access_key_id(std::string(provider.credentials.at("AWS_ACCESS_KEY_ID").reveal()));
  if (const auto token = provider.credentials.find("AWS_SESSION_TOKEN");
      token != provider.credentials.end())
    wire.set_session_token(std::string(token->second.reveal()));
  for (const auto& [name, time] : provider.expires)
    if (wire.expires_at_ms() == 0 || time < wire.expires_at_ms()) wire.set_expires_at_ms(time);
  for (const netproxy::DerivedKey& key : derive_keys(provider, key_dates(at.sandbox_id, at.now))) {
    v1::DerivedKey& one = *wire.add_keys();
    one.set_date(key.scope.date);
    one.set_region(key.scope.region);
    one.set_service(key.scope.service);
    one.set_key(std::string(key.bytes.reveal()));
    one.set_not_before_ms(unix_millis(key.validity.not_before));
    one.set_not_after_ms(unix_millis(key.validity.not_after));
  }
  return wire;
}

template <class Row>
std::uint64_t revision_of(const BoundProviders<Row>& providers, const SandboxMoment& at) {
  // Each text ends: none of them holds a line feed.
  std::string text;
  const auto add = [&](const std::string& part) { text.append(part).append("\n"); };
  for (const ProviderFacts& provider : providers.rows) {
    add(provider.id);
    add(std::to_string(provider.resource_version));
    for (const auto& [name, value] : provider.config) add(name + "=" + value);
    for (const std::string& binding : provider.bindings) add(binding);
    for (const auto& [name, time] : provider.expires) add(name + " " + std::to_string(time));
    if (provider.derived_keys.empty()) continue;
    for (const std::string& service : provider.derived_keys.services) add("service " + service);
    for (const std::string& region : provider.derived_keys.regions) add("region " + region);
    add("keys until " + key_dates(at.sandbox_id, at.now).back());
  }
  for (const BoundGrant& grant : providers.grants)
    add(identity::write_wire_key(grant.key) + "\t" + hex(sha256(serialize(grant.credential))));
  const Digest digest = sha256(text);
  std::uint64_t revision = 0;
  for (int i = 0; i < 8; ++i) revision = revision << 8 | digest.at(static_cast<std::size_t>(i));
  return revision;
}

}  // namespace

std::uint64_t provider_revision(const BoundProviders<ProviderOutline>& providers,
                                const SandboxMoment& at) {
  return revision_of(providers, at);
}

Result<> fill_provider_environment(const BoundProviders<ProviderRow>& providers,
                                   const EnvironmentReader& reader,
                                   openshell::v1::GetSandboxProviderEnvironmentResponse& response) {
  for (const ProviderRow& provider : providers.rows) {
    for (const auto& [name, value] : provider.config) {
      TRY(add(response, name, value));
      response.add_non_secret_environment_keys(name);
    }
    if (!provider.derived_keys.empty()) {
      if (!reader.takes_derived_keys) continue;
      TRY_ASSIGN(*response.add_derived_key_credentials(), derived_keys_of(provider, reader.at));
    } else if (reader.binds_credentials) {
      TRY(add_credentials(response, provider));
    }
  }
  for (const BoundGrant& grant : providers.grants)
    if (reader.extended_grants || !identity::is_extended(wire::from_wire(grant.credential)))
      (*response.mutable_dynamic_credentials())[identity::write_wire_key(grant.key)] =
          grant.credential;
  response.set_provider_env_revision(revision_of(providers, reader.at));
  return {};
}

}  // namespace keyward::gateway
