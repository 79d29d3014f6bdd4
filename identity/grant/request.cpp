#include "identity/grant/request.hpp"

#include "identity/http/form.hpp"

namespace keyward::identity {
namespace {

constexpr std::string_view jwt_bearer_grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view exchange_grant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view type_of_jwt = "urn:ietf:params:oauth:token-type:jwt";
constexpr std::string_view type_of_access_token = "urn:ietf:params:oauth:token-type:access_token";

void add_each(Form& form, std::string_view name, const std::vector<std::string>& values) {
  for (const std::string& value : values) form.add(name, value);
}

std::string joined(const std::vector<std::string>& scopes) {
  std::string text;
  for (const std::string& scope : scopes) text += (text.empty() ? "" : " ") + scope;
  return text;
}

void add_assertion(Form& form, const Grant& grant, const Secret& svid) {
  form.add("client_assertion_type", to_string(grant.assertion_type));
  form.add("client_assertion", svid.reveal());
}

void add_exchange(Form& form, const Grant& grant, const GrantProofs& proofs) {
  const bool svid_is_subject = grant.svid_role == SvidRole::subject;
  form.add("subject_token", svid_is_subject ? proofs.svid.reveal() : proofs.subject->reveal());
  form.add("subject_token_type", svid_is_subject ? type_of_jwt : type_of_access_token);
  if (grant.svid_role == SvidRole::actor) {
    form.add("actor_token", proofs.svid.reveal());
    form.add("actor_token_type", type_of_jwt);
  }
  if (grant.svid_role == SvidRole::client) add_assertion(form, grant, proofs.svid);
  form.add_some("requested_token_type", grant.requested_token_type);
}

// RFC 8705 section 2 demands it beside a certificate; that of an X.509-SVID is its SPIFFE ID
// (draft-ietf-oauth-spiffe-client-auth).
Result<std::string_view> client_id_of(const Grant& grant, const GrantProofs& proofs) {
  if (grant.client_auth == ClientAuth::of_kind || !grant.client_id.empty()) return grant.client_id;
  if (!proofs.tls_client.empty()) return proofs.tls_client;
  return fail(Code::precondition, "token grant: there is no client whose certificate is presented");
}

}  // namespace

Result<Secret> grant_form(const Grant& grant, const GrantProofs& proofs) {
  if (needs_user(grant) != (proofs.subject != nullptr))
    return fail(Code::precondition,
                needs_user(grant) ? "token grant: the exchange needs a token of the user's"
                                  : "token grant: a user's token is not sent with this grant");
  TRY_ASSIGN(const std::string_view client_id, client_id_of(grant, proofs));
  Form form;
  switch (grant.kind) {
    case GrantKind::client_credentials:
      form.add("grant_type", "client_credentials");
      if (uses_jwt(grant)) add_assertion(form, grant, proofs.svid);
      break;
    case GrantKind::jwt_bearer:
      form.add("grant_type", jwt_bearer_grant);
      form.add("assertion", proofs.svid.reveal());
      break;
    case GrantKind::token_exchange:
      form.add("grant_type", exchange_grant);
      add_exchange(form, grant, proofs);
      break;
    case GrantKind::raw_svid:
      return fail(Code::invalid, "token grant: a raw JWT-SVID is exchanged nowhere");
    case GrantKind::aws_web_identity:
      return fail(Code::invalid, "token grant: STS is asked in a form of its own");
  }
  form.add_some("client_id", client_id);
  add_each(form, "audience", grant.audience);
  add_each(form, "resource", grant.resource);
  form.add_some("scope", joined(grant.scopes));
  return form.take();
}

}  // namespace keyward::identity
