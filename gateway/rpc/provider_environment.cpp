#include "gateway/rpc/provider_environment.hpp"

#include "base/crypto.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::gateway {
namespace {

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

}  // namespace

std::uint64_t provider_revision(const std::vector<ProviderRow>& providers) {
  Secret text;
  for (const ProviderRow& provider : providers) {
    text.append(provider.id);
    for (const auto& [name, value] : provider.credentials) {
      text.append(name);
      text.append(value.fingerprint());
    }
    for (const auto& [name, value] : provider.config) text.append(name + "=" + value + ";");
    for (const std::string& binding : provider.bindings) text.append(binding + ";");
    for (const auto& [name, time] : provider.expires) text.append(name + std::to_string(time));
  }
  const Digest digest = sha256(text.reveal());
  std::uint64_t revision = 0;
  for (int i = 0; i < 8; ++i) revision = revision << 8 | digest.at(static_cast<std::size_t>(i));
  return revision;
}

Result<> fill_provider_environment(const std::vector<ProviderRow>& providers,
                                   bool bindings_supported,
                                   openshell::v1::GetSandboxProviderEnvironmentResponse& response) {
  for (const ProviderRow& provider : providers) {
    for (const auto& [name, value] : provider.config) {
      TRY(add(response, name, value));
      response.add_non_secret_environment_keys(name);
    }
    if (!bindings_supported) continue;
    for (const auto& [name, value] : provider.credentials) {
      TRY(add(response, name, value.reveal()));
      if (const auto expires = provider.expires.find(name); expires != provider.expires.end())
        (*response.mutable_credential_expires_at_ms())[name] = expires->second;
      TRY_ASSIGN((*response.mutable_static_credential_bindings())[name],
                 binding_of(provider, name));
    }
  }
  response.set_provider_env_revision(provider_revision(providers));
  return {};
}

}  // namespace keyward::gateway
