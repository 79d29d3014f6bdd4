#include "identity/rpc/provider_environment.hpp"

#include <algorithm>
#include <set>

#include "base/bytes.hpp"
#include "base/environment.hpp"
#include "identity/grant/transport.hpp"
#include "identity/grant/wire_binding.hpp"
#include "identity/grant/wire_key.hpp"
#include "identity/rpc/derived_keys.hpp"
#include "identity/rpc/grant_wire.hpp"
#include "identity/rpc/static_binding.hpp"

namespace keyward::identity {
namespace {

using Response = openshell::v1::GetSandboxProviderEnvironmentResponse;
using Binding = openshell::v1::StaticCredentialBinding;

constexpr const char* key_id_name = "AWS_ACCESS_KEY_ID";
constexpr const char* secret_name = "AWS_SECRET_ACCESS_KEY";
constexpr const char* session_name = "AWS_SESSION_TOKEN";

const Binding* binding_of(const Response& response, const std::string& name) {
  const auto found = response.static_credential_bindings().find(name);
  return found == response.static_credential_bindings().end() ? nullptr : &found->second;
}

std::string value_of(const Response& response, const std::string& name) {
  const auto found = response.environment().find(name);
  return found == response.environment().end() ? std::string() : found->second;
}

Secret secret_of(const Response& response, const std::string& name) {
  std::string value = value_of(response, name);
  return Secret::take(value);
}

// A secret without a binding would be usable everywhere or nowhere: the snapshot is invalid.
Result<> check_bindings(const Response& response, const std::vector<std::string>& secrets) {
  for (const std::string& name : secrets) {
    const Binding* binding = binding_of(response, name);
    if (binding == nullptr) return fail(Code::invalid, name + ": has no endpoint binding");
    if (const auto endpoints = endpoints_of(name, *binding); !endpoints)
      return tl::unexpected(endpoints.error());
  }
  return {};
}

std::optional<TimePoint> earliest_end(const Response& response) {
  std::optional<TimePoint> earliest;
  for (const char* name : {key_id_name, secret_name, session_name}) {
    const auto found = response.credential_expires_at_ms().find(name);
    if (found == response.credential_expires_at_ms().end() || found->second == 0) continue;
    const TimePoint end{std::chrono::milliseconds(found->second)};
    earliest = earliest ? std::min(*earliest, end) : end;
  }
  return earliest;
}

Result<netproxy::BoundAwsCredentials> aws_credentials(const Response& response) {
  netproxy::BoundAwsCredentials bound;
  bound.keys.access_key_id = value_of(response, key_id_name);
  bound.keys.secret_access_key = secret_of(response, secret_name);
  bound.keys.session_token = secret_of(response, session_name);
  if (bound.keys.access_key_id.empty() || bound.keys.secret_access_key.empty())
    return fail(Code::invalid,
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is of no use without the other");
  const Binding* binding = binding_of(response, key_id_name);
  TRY_ASSIGN(bound.bindings, endpoints_of(key_id_name, *binding));
  bound.provider = provider_of(*binding);
  for (const char* name : {secret_name, session_name}) {
    const Binding* other = binding_of(response, name);
    if (other == nullptr) continue;  // absent: check_bindings has seen every secret that is there
    TRY_ASSIGN(const auto bindings, endpoints_of(name, *other));
    if (bindings != bound.bindings || provider_of(*other) != bound.provider)
      return fail(Code::invalid,
                  std::string(name) + ": is bound differently than AWS_ACCESS_KEY_ID");
  }
  bound.expires = earliest_end(response);
  return bound;
}

bool is_aws_name(const std::string& name) {
  return name == key_id_name || name == secret_name || name == session_name;
}

void take_secrets(const Response& response, ProviderEnvironment& result) {
  if (const Result<> checked = check_bindings(response, result.secret_keys); !checked) {
    result.problems.push_back(checked.error().what + "; no static credential is used");
    return;
  }
  if (!std::any_of(result.secret_keys.begin(), result.secret_keys.end(), is_aws_name)) return;
  Result<netproxy::BoundAwsCredentials> aws = aws_credentials(response);
  if (aws)
    result.credentials.aws.push_back(std::move(*aws));
  else
    result.problems.push_back(aws.error().what);
}

void take_derived(Response& response, ProviderEnvironment& result) {
  for (auto& wire : *response.mutable_derived_key_credentials()) {
    Result<netproxy::BoundAwsCredentials> aws = take_derived_keys(wire);
    if (aws)
      result.credentials.aws.push_back(std::move(*aws));
    else
      result.problems.push_back(aws.error().what);
  }
}

// A grant that cannot be used closes the place that it is for: a request there would go out without
// its token.  Where not even the place can be read, that is every place.
RefusedGrant refused_grant(const std::string& key, const Error& error) {
  Result<WireKey> place = parse_wire_key(key);
  RefusedGrant refused{std::nullopt, "token grant: " + error.what};
  if (place) refused.where = std::move(place->where);
  return refused;
}

// `cluster`: the gateway says it of an endpoint without TLS, which must be there.
Result<> check_cleartext(const GrantBinding& binding, const std::string& word) {
  if (!binding.cleartext) return {};
  TransportRules rules;
  rules.cluster_cleartext = word == "cluster";
  const auto url = check_token_url(
      "http://" + binding.where.host + ":" + std::to_string(binding.where.port) + "/", rules);
  if (url) return {};
  return fail(Code::denied, binding.identity + ": may not go to this endpoint without TLS");
}

Result<GrantBinding> read_grant(const std::string& key,
                                const openshell::v1::ProviderProfileCredential& credential) {
  TRY_ASSIGN(GrantBinding binding, read_wire_binding(key, wire::from_wire(credential)));
  TRY(check_cleartext(binding, credential.token_grant().cleartext_endpoints()));
  return binding;
}

SandboxGrants grants_of(const Response& response) {
  SandboxGrants grants;
  std::vector<GrantBinding> bindings;
  for (const auto& [key, credential] : response.dynamic_credentials()) {
    Result<GrantBinding> binding = read_grant(key, credential);
    if (binding)
      bindings.push_back(std::move(*binding));
    else
      grants.refused.push_back(refused_grant(key, binding.error()));
  }
  Result<BindingTable> table = BindingTable::build(bindings);
  if (table)
    grants.table = std::move(*table);
  else
    for (GrantBinding& binding : bindings)
      grants.refused.push_back({std::move(binding.where), table.error().what});
  return grants;
}

}  // namespace

ProviderEnvironment take_provider_environment(Response& response) {
  ProviderEnvironment result;
  result.revision = response.provider_env_revision();
  const std::set<std::string> open(response.non_secret_environment_keys().begin(),
                                   response.non_secret_environment_keys().end());
  for (const auto& [name, value] : response.environment()) {
    if (is_reserved_variable(name)) {
      result.problems.push_back(name + ": may not come from a provider; it is left out");
      continue;
    }
    // A key id or secret that is called configuration is still a secret.
    if (open.contains(name) && !is_aws_name(name))
      result.environment.emplace_back(name, value);
    else
      result.secret_keys.push_back(name);
  }
  std::sort(result.environment.begin(), result.environment.end());
  std::sort(result.secret_keys.begin(), result.secret_keys.end());
  take_secrets(response, result);
  result.grants = grants_of(response);
  for (const RefusedGrant& refused : result.grants.refused) result.problems.push_back(refused.why);
  take_derived(response, result);
  for (auto& [name, value] : *response.mutable_environment()) wipe(value.data(), value.size());
  return result;
}

}  // namespace keyward::identity
