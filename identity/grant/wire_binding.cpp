#include "identity/grant/wire_binding.hpp"

#include <algorithm>
#include <array>

#include "identity/grant/wire_key.hpp"

namespace keyward::identity {
namespace {

constexpr std::array<GrantKind, 5> kinds = {GrantKind::client_credentials, GrantKind::jwt_bearer,
                                            GrantKind::token_exchange, GrantKind::raw_svid,
                                            GrantKind::aws_web_identity};

Result<GrantKind> read_kind(const std::string& word) {
  if (word.empty()) return GrantKind::client_credentials;
  const auto* const found = std::find_if(kinds.begin(), kinds.end(),
                                         [&](GrantKind kind) { return to_string(kind) == word; });
  if (found != kinds.end()) return *found;
  return fail(Code::unsupported,
              "token grant: grant_type must be client_credentials, jwt_bearer, token_exchange, "
              "raw_svid or aws_web_identity");
}

// What the JWT-SVID is where the subject is a user.
Result<SvidRole> role_of(const WireCredential& credential, GrantKind kind) {
  const std::string& word = credential.svid_role;
  if (credential.subject_credential.empty()) {
    if (word.empty()) return SvidRole::subject;
    return fail(Code::invalid, "token grant: svid_role belongs to a subject_credential");
  }
  if (kind != GrantKind::token_exchange)
    return fail(Code::invalid, "token grant: subject_credential belongs to token_exchange");
  if (word.empty() || word == "actor") return SvidRole::actor;
  if (word == "client") return SvidRole::client;
  return fail(Code::unsupported, "token grant: svid_role must be actor or client");
}

Result<AssertionType> assertion_type_of(const WireCredential& credential, const Grant& grant) {
  const bool asserts =
      grant.client_auth == ClientAuth::of_kind &&
      (grant.kind == GrantKind::client_credentials || grant.svid_role == SvidRole::client);
  if (!asserts && !credential.client_assertion_type.empty())
    return fail(Code::invalid,
                "token grant: client_assertion_type belongs to client_credentials without "
                "client_auth, and to svid_role client");
  return read_assertion_type(credential.client_assertion_type);
}

// A raw JWT-SVID goes to the upstream: the token's audience is its own.
Result<> set_audiences(const WireCredential& credential, Grant& grant) {
  const bool raw = grant.kind == GrantKind::raw_svid;
  grant.svid_audience =
      raw && !credential.audience.empty() ? credential.audience : credential.svid_audience;
  if (!raw && !credential.audience.empty()) grant.audience = {credential.audience};
  if (raw || !grant.svid_audience.empty() || !uses_jwt(grant)) return {};
  if (gives_keys(grant) && credential.token_endpoint.empty()) {
    grant.svid_audience = aws_svid_audience;
    return {};
  }
  if (!credential.issuer.empty()) {
    grant.svid_audience = credential.issuer;
    return {};
  }
  auto derived = derive_svid_audience(credential.token_endpoint);
  if (!derived) return fail_at("token grant: token_endpoint", derived.error());
  grant.svid_audience = std::move(*derived);
  return {};
}

Result<std::string> token_endpoint_of(const WireCredential& credential, GrantKind kind) {
  if (kind != GrantKind::aws_web_identity || !credential.token_endpoint.empty())
    return credential.token_endpoint;
  if (credential.aws.region.empty())
    return fail(Code::invalid, "token grant: aws.region or token_endpoint must say whose STS");
  return regional_sts(credential.aws.region);
}

Result<Grant> grant_of(const WireCredential& credential) {
  Grant grant;
  TRY_ASSIGN(grant.kind, read_kind(credential.grant_type));
  TRY_ASSIGN(grant.client_auth, read_client_auth(credential.client_auth));
  TRY_ASSIGN(grant.assertion, read_assertion_source(credential.assertion));
  TRY_ASSIGN(grant.svid_role, role_of(credential, grant.kind));
  TRY_ASSIGN(grant.assertion_type, assertion_type_of(credential, grant));
  TRY(set_audiences(credential, grant));
  TRY_ASSIGN(grant.token_endpoint, token_endpoint_of(credential, grant.kind));
  grant.issuer = credential.issuer;
  grant.client_id = credential.client_id;
  grant.resource = credential.resources;
  grant.scopes = credential.scopes;
  grant.requested_token_type = credential.requested_token_type;
  grant.lifetime = std::chrono::seconds(credential.cache_ttl_seconds);
  grant.aws = credential.aws;
  if (needs_user(grant)) grant.subject.version = credential.subject_version;
  TRY(check_grant(grant));
  return grant;
}

}  // namespace

bool is_extended(const WireCredential& credential) {
  const bool plain = credential.grant_type.empty() ||
                     credential.grant_type == to_string(GrantKind::client_credentials);
  return !plain || !credential.issuer.empty() || !credential.client_id.empty() ||
         !credential.requested_token_type.empty() || !credential.client_auth.empty() ||
         !credential.resources.empty() || !credential.subject_credential.empty() ||
         !credential.assertion.empty();
}

Result<GrantBinding> read_wire_grant(const WireCredential& credential) {
  GrantBinding binding;
  TRY_ASSIGN(binding.inject, read_injection(credential.auth_style, credential.header_name));
  TRY_ASSIGN(binding.grant, grant_of(credential));
  if (gives_keys(binding.grant) &&
      !(credential.auth_style.empty() && credential.header_name.empty()))
    return fail(Code::invalid, "token grant: keys sign, and go into no header of their own");
  binding.cleartext = credential.cleartext;
  return binding;
}

Result<GrantBinding> read_wire_binding(std::string_view key, const WireCredential& credential) {
  TRY_ASSIGN(WireKey parsed, parse_wire_key(key));
  const std::string identity = parsed.identity();
  if (!credential.name.empty() && credential.name != parsed.credential)
    return fail(Code::invalid, identity + ": its key names another credential");
  if (credential.has_overrides)
    return fail(Code::invalid, identity + ": its overrides were not expanded");
  auto binding = read_wire_grant(credential);
  if (!binding) return fail_at(identity, binding.error());
  binding->identity = identity;
  if (needs_user(binding->grant)) binding->grant.subject.credential = identity;
  binding->where = std::move(parsed.where);
  return binding;
}

}  // namespace keyward::identity
