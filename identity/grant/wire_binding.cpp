#include "identity/grant/wire_binding.hpp"

#include "identity/grant/wire_key.hpp"

namespace keyward::identity {
namespace {

Result<Grant> grant_of(const WireCredential& credential) {
  Grant grant;
  grant.token_endpoint = credential.token_endpoint;
  grant.svid_audience = credential.svid_audience;
  if (grant.svid_audience.empty()) {
    TRY_ASSIGN(grant.svid_audience, derive_svid_audience(credential.token_endpoint));
  }
  TRY_ASSIGN(grant.assertion_type, read_assertion_type(credential.client_assertion_type));
  if (!credential.audience.empty()) grant.audience = {credential.audience};
  grant.scopes = credential.scopes;
  grant.lifetime = std::chrono::seconds(credential.cache_ttl_seconds);
  TRY(check_grant(grant));
  return grant;
}

}  // namespace

Result<GrantBinding> read_wire_binding(std::string_view key, const WireCredential& credential) {
  TRY_ASSIGN(WireKey parsed, parse_wire_key(key));
  GrantBinding binding;
  binding.identity = parsed.identity();
  binding.where = std::move(parsed.where);
  if (!credential.name.empty() && credential.name != parsed.credential)
    return fail(Code::invalid, binding.identity + ": its key names another credential");
  if (credential.has_overrides)
    return fail(Code::invalid, binding.identity + ": its overrides were not expanded");
  auto inject = read_injection(credential.auth_style, credential.header_name);
  if (!inject) return fail_at(binding.identity, inject.error());
  binding.inject = std::move(*inject);
  auto grant = grant_of(credential);
  if (!grant) return fail_at(binding.identity, grant.error());
  binding.grant = std::move(*grant);
  return binding;
}

}  // namespace keyward::identity
