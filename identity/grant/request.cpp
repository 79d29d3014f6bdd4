#include "identity/grant/request.hpp"

#include "netproxy/policy/percent.hpp"

namespace keyward::identity {
namespace {

constexpr std::string_view jwt_bearer_grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view exchange_grant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view type_of_jwt = "urn:ietf:params:oauth:token-type:jwt";
constexpr std::string_view type_of_access_token = "urn:ietf:params:oauth:token-type:access_token";

class Form {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!body_.empty()) body_.append("&");
    body_.append(name);
    body_.append("=");
    std::string encoded = netproxy::percent_encode(value, netproxy::Slash::encode);
    body_.append(encoded);
    wipe(encoded.data(), encoded.size());
  }
  void add_some(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  void add_each(std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) add(name, value);
  }
  Secret take() { return std::move(body_); }

 private:
  Secret body_;
};

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

}  // namespace

Result<Secret> grant_form(const Grant& grant, const GrantProofs& proofs) {
  const bool needs_subject =
      grant.kind == GrantKind::token_exchange && grant.svid_role != SvidRole::subject;
  if (needs_subject != (proofs.subject != nullptr))
    return fail(Code::precondition,
                needs_subject ? "token grant: the exchange needs a token of the user's"
                              : "token grant: a user's token is not sent with this grant");
  Form form;
  switch (grant.kind) {
    case GrantKind::client_credentials:
      form.add("grant_type", "client_credentials");
      add_assertion(form, grant, proofs.svid);
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
  }
  form.add_some("client_id", grant.client_id);
  form.add_each("audience", grant.audience);
  form.add_each("resource", grant.resource);
  form.add_some("scope", joined(grant.scopes));
  return form.take();
}

}  // namespace keyward::identity
