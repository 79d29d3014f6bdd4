#include "identity/grant/diagnosis.hpp"

namespace keyward::identity {
namespace {

constexpr std::chrono::seconds usual_age_limit{300};  // from iat, in Keycloak among others

std::string missing_claims(const JwtSvidClaims& svid) {
  if (!svid.has_issuer && !svid.has_jwt_id) return "neither iss nor jti";
  if (!svid.has_issuer) return "no iss";
  return svid.has_jwt_id ? "" : "no jti";
}

bool is_old(const JwtSvidClaims& svid, TimePoint now) {
  return svid.issued && now - *svid.issued > usual_age_limit;
}

std::string of_client(const Grant& grant, const JwtSvidClaims& svid, TimePoint now) {
  if (is_old(svid, now))
    return "the JWT-SVID is older than 300 s, which some servers refuse: let the agent's entry "
           "have "
           "a JWT-SVID TTL of 5 minutes at most";
  const std::string missing = missing_claims(svid);
  if (grant.assertion_type == AssertionType::jwt_bearer && !missing.empty())
    return "the JWT-SVID has " + missing +
           ", and a server that takes the assertion type jwt-bearer by the letter (RFC 7523 "
           "section "
           "3) wants iss = client_id = sub and a jti: use client_assertion_type jwt-spiffe where "
           "the server knows it";
  if (grant.assertion_type == AssertionType::jwt_bearer)
    return "a server that takes the assertion type jwt-bearer by the letter wants iss = client_id "
           "= "
           "sub, and takes each jti once, while the agent gives the same JWT-SVID for half of its "
           "life";
  return "is the SPIFFE ID registered there as a client, is jwt_svid_audience (" +
         grant.svid_audience + ") the server's issuer, and does it have the trust domain's bundle?";
}

std::string of_service_account(const Grant& grant, const JwtSvidClaims& token) {
  return "does the server trust the keys of the cluster's ServiceAccount issuer, is " +
         token.spiffe_id + " its client, and is " + grant.svid_audience +
         " the audience that it wants?";
}

constexpr const char* of_certificate =
    "does the server know this client_id as one with tls_client_auth, whose certificate has the "
    "SPIFFE ID as its URI (tls_client_auth_san_uri), and does it trust the trust domain's X.509 "
    "bundle?";

}  // namespace

std::string diagnose_refusal(const Grant& grant, const JwtSvidClaims& svid,
                             std::string_view oauth_error, TimePoint now) {
  const bool has_certificate = grant.client_auth == ClientAuth::tls;
  const bool asserts =
      !has_certificate &&
      (grant.kind == GrantKind::client_credentials ||
       (grant.kind == GrantKind::token_exchange && grant.svid_role == SvidRole::client));
  if (grant.assertion == AssertionSource::service_account &&
      (oauth_error == "invalid_client" || oauth_error == "invalid_grant"))
    return of_service_account(grant, svid);
  if (oauth_error == "invalid_client" && has_certificate) return of_certificate;
  if (oauth_error == "invalid_client" && asserts) return of_client(grant, svid, now);
  if (oauth_error == "invalid_client")
    return "the grant sends no client authentication, and the server wants one";
  if (oauth_error == "invalid_grant" && grant.kind == GrantKind::jwt_bearer && !svid.has_issuer)
    return "the JWT-SVID has no iss, which RFC 7523 section 3 demands: let the SPIFFE server set a "
           "JWT issuer";
  // RFC 8693 section 2.2.2 has invalid_request for tokens that are refused.
  if (needs_user(grant) && (oauth_error == "invalid_grant" || oauth_error == "invalid_request"))
    return "is the user's token (subject_credential) one that the server takes, of its issuer and "
           "for this client, and does it let this workload act for users?";
  if (oauth_error == "invalid_request" && asserts &&
      grant.assertion_type == AssertionType::jwt_spiffe)
    return "does the server know the client assertion type jwt-spiffe?";
  if (oauth_error == "invalid_target")
    return "the server does not know the audience or resource that was asked for";
  if (oauth_error == "invalid_scope")
    return "the server does not grant these scopes to this client";
  if (oauth_error == "unauthorized_client" || oauth_error == "unsupported_grant_type")
    return "the server does not let this client use the grant " +
           std::string(to_string(grant.kind));
  return "";
}

}  // namespace keyward::identity
