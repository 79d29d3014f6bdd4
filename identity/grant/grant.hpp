#pragma once
// Token grants: what is asked of an authorization server, and with what.  Plain values.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "identity/grant/aws_grant.hpp"

namespace keyward::identity {

enum class GrantKind {
  client_credentials,  // RFC 6749 section 4.4 with a client assertion, RFC 7521 section 4.2
  jwt_bearer,          // RFC 7523 section 2.1: the JWT-SVID is the grant
  token_exchange,      // RFC 8693
  raw_svid,            // no server: the JWT-SVID itself is what the upstream gets
  aws_web_identity     // STS: keys that sign, instead of a token
};

// client_assertion_type.  RFC 7523 section 2.2 asks for claims that a JWT-SVID does not have (iss,
// jti); draft-ietf-oauth-spiffe-client-auth does not.
enum class AssertionType { jwt_bearer, jwt_spiffe };

// Where the assertion comes from that proves who asks.
enum class AssertionSource {
  svid,            // the SPIFFE agent
  service_account  // a file that the kubelet keeps: the pod's projected ServiceAccount token
};

// What the JWT-SVID is in a token exchange.  In all but the first, the subject is a token of the
// user's, which the caller brings.
enum class SvidRole { subject, actor, client };

// How the authorization server knows its client.
enum class ClientAuth {
  of_kind,  // by the JWT-SVID where the kind has it as client assertion, else not at all
  tls       // by the certificate of the X.509-SVID (RFC 8705 section 2.1), and no assertion is sent
};

// A user's token that somebody keeps: whose it is, and which one of several in time.  Nothing
// secret.
struct SubjectName {
  std::string credential;  // PROVIDER:CREDENTIAL of the grant that it is for
  std::string version;     // another one for another token
  bool operator==(const SubjectName&) const = default;
};

struct Grant {
  GrantKind kind = GrantKind::client_credentials;
  ClientAuth client_auth = ClientAuth::of_kind;
  std::string token_endpoint;  // URL; empty for raw_svid
  std::string issuer;          // instead: its metadata names the token endpoint (RFC 8414)
  AssertionSource assertion = AssertionSource::svid;
  // Of the JWT-SVID or of the token in its place: the authorization server's issuer, or the
  // upstream; empty where none is used.
  std::string svid_audience;
  AssertionType assertion_type = AssertionType::jwt_bearer;
  // Sent where it is not empty; with ClientAuth::tls the SPIFFE ID is in its place.
  std::string client_id;
  std::vector<std::string> audience, resource, scopes;  // RFC 8693, RFC 8707, RFC 6749
  SvidRole svid_role = SvidRole::subject;
  SubjectName subject;               // the user's token, where svid_role is another one
  std::string requested_token_type;  // RFC 8693; empty: what the server chooses
  std::chrono::seconds lifetime{0};  // at most so long is an answer used; 0: as long as it says
  AwsGrant aws;                      // of aws_web_identity, whose token_endpoint is STS
  bool operator==(const Grant&) const = default;
};

std::string_view to_string(GrantKind kind);
// Keys that requests are signed with; else a token that goes into a header.
constexpr bool gives_keys(const Grant& grant) { return grant.kind == GrantKind::aws_web_identity; }
std::string_view to_string(AssertionType type);  // the URN

constexpr bool needs_user(const Grant& grant) {
  return grant.kind == GrantKind::token_exchange && grant.svid_role != SvidRole::subject;
}

// Not client_credentials with a certificate, which proves nothing by one.
bool uses_jwt(const Grant& grant);
// A JWT-SVID or the certificate of an X.509-SVID.
bool uses_agent(const Grant& grant);

// Empty means jwt_bearer, as in the wire contract.  Errors: Code::unsupported.
Result<AssertionType> read_assertion_type(std::string_view urn);

// `tls_client_auth` (RFC 8705 section 2.1.1), or empty for what the kind has.  Errors:
// Code::unsupported.
Result<ClientAuth> read_client_auth(std::string_view word);

// The audience of the JWT-SVID where none is configured: the issuer that a token endpoint's URL
// shows, which is everything up to Keycloak's /realms/REALM, else the URL itself.
Result<std::string> derive_svid_audience(std::string_view token_endpoint);

// What can be said before anything is asked: the URL, the lists' sizes and characters, what belongs
// together.  Errors: Code::invalid, with the field.
Result<> check_grant(const Grant& grant);

// `service_account`, or empty for the JWT-SVID.  Errors: Code::unsupported.
Result<AssertionSource> read_assertion_source(std::string_view word);

// No JWT-SVID, and no token in its place, goes to two token endpoints: grants that share
// svid_audience and differ in the endpoint's origin are refused, since one of the two could use it
// at the other.
Result<> check_audiences_apart(const std::vector<const Grant*>& grants);

// Whom a question goes to, beside the agent; empty: nobody.
std::string server_of(const Grant& grant);

// Digest of everything that decides which token is asked for: two grants with one key share a
// token.
std::string cache_key(const Grant& grant);

}  // namespace keyward::identity
