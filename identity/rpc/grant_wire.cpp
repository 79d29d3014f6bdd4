#include "identity/rpc/grant_wire.hpp"

namespace keyward::wire {

namespace v1 = openshell::v1;

namespace {

identity::AwsGrant aws_of(const v1::ProviderCredentialAwsGrant& wire) {
  identity::AwsGrant grant;
  grant.region = wire.region();
  for (const v1::ProviderCredentialAwsRole& role : wire.roles())
    grant.roles.push_back({role.role_arn(), role.session_name(), role.external_id(),
                           std::chrono::seconds(role.duration_seconds())});
  return grant;
}

}  // namespace

identity::WireCredential from_wire(const v1::ProviderProfileCredential& credential) {
  const v1::ProviderCredentialTokenGrant& grant = credential.token_grant();
  identity::WireCredential plain;
  plain.name = credential.name();
  plain.auth_style = credential.auth_style();
  plain.header_name = credential.header_name();
  plain.token_endpoint = grant.token_endpoint();
  plain.audience = grant.audience();
  plain.svid_audience = grant.jwt_svid_audience();
  plain.client_assertion_type = grant.client_assertion_type();
  plain.scopes.assign(grant.scopes().begin(), grant.scopes().end());
  plain.cache_ttl_seconds = grant.cache_ttl_seconds();
  plain.has_overrides = !grant.audience_overrides().empty();
  plain.grant_type = grant.grant_type();
  plain.issuer = grant.issuer();
  plain.client_id = grant.client_id();
  plain.requested_token_type = grant.requested_token_type();
  plain.client_auth = grant.client_auth();
  plain.resources.assign(grant.resources().begin(), grant.resources().end());
  plain.cleartext = !grant.cleartext_endpoints().empty();
  plain.aws = aws_of(grant.aws());
  plain.subject_credential = grant.subject_credential();
  plain.svid_role = grant.svid_role();
  plain.assertion = grant.assertion();
  plain.subject_version = grant.subject_version();
  return plain;
}

Result<std::vector<identity::GrantOverride>> overrides_from_wire(
    const v1::ProviderCredentialTokenGrant& grant) {
  std::vector<identity::GrantOverride> overrides;
  for (const auto& wire : grant.audience_overrides()) {
    if (wire.port() > 65'535)
      return fail(Code::invalid, "token grant: the port of an override must be 1 to 65535, or 0");
    overrides.push_back({{wire.host(), static_cast<std::uint16_t>(wire.port()), wire.path()},
                         wire.audience(),
                         {wire.scopes().begin(), wire.scopes().end()}});
  }
  return overrides;
}

v1::ProviderProfileCredential to_wire(const identity::GrantBinding& binding,
                                      v1::ProviderProfileCredential credential) {
  v1::ProviderCredentialTokenGrant& grant = *credential.mutable_token_grant();
  grant.clear_audience_overrides();
  if (!binding.grant.audience.empty()) grant.set_audience(binding.grant.audience.front());
  grant.mutable_scopes()->Assign(binding.grant.scopes.begin(), binding.grant.scopes.end());
  return credential;
}

}  // namespace keyward::wire
