#include "identity/grant/grant.hpp"

#include <algorithm>
#include <map>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/url.hpp"

namespace keyward::identity {
namespace {

constexpr std::string_view jwt_bearer_urn =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::string_view jwt_spiffe_urn =
    "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
constexpr std::string_view token_type_prefix = "urn:ietf:params:oauth:token-type:";
constexpr std::size_t list_limit = 32, value_limit = 1024;  // entries, bytes
constexpr std::chrono::hours longest_lifetime{24};

tl::unexpected<Error> bad(std::string_view field, const std::string& why) {
  return fail(Code::invalid, "token grant: " + std::string(field) + " " + why);
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Result<> check_value(std::string_view field, std::string_view value) {
  if (value.empty()) return bad(field, "is empty");
  if (value.size() > value_limit) return bad(field, "is longer than 1024 bytes");
  if (!is_visible(value)) return bad(field, "has blanks, control characters or is not ASCII");
  return {};
}

Result<> check_list(std::string_view field, const std::vector<std::string>& values) {
  if (values.size() > list_limit) return bad(field, "has more than 32 entries");
  for (const std::string& value : values) TRY(check_value(field, value));
  return {};
}

// RFC 6749 section 3.3.
bool is_scope(std::string_view text) {
  return text.find_first_of("\"\\") == std::string_view::npos;
}

// RFC 8707 section 2: an absolute URI without a fragment.
bool is_resource(std::string_view text) {
  return text.find(':') != std::string_view::npos && text.find('#') == std::string_view::npos;
}

Result<> check_svid_audience(const Grant& grant) {
  if (uses_jwt(grant)) return check_value("jwt_svid_audience", grant.svid_audience);
  if (grant.svid_audience.empty()) return {};
  return bad("jwt_svid_audience", "is of no use: the client proves itself by its certificate");
}

Result<> check_client_auth(const Grant& grant, const Url& server) {
  if (grant.client_auth == ClientAuth::of_kind) return {};
  if (grant.svid_role == SvidRole::client)
    return bad("client_auth", "is tls_client_auth, and the JWT-SVID is no client beside it");
  if (!server.tls) return bad("client_auth", "needs a token endpoint with https://");
  return {};
}

// Of RFC 7523, and of nothing else.
Result<> check_service_account(const Grant& grant) {
  if (grant.assertion == AssertionSource::svid) return {};
  if (grant.kind != GrantKind::client_credentials && grant.kind != GrantKind::jwt_bearer)
    return bad("assertion", "service_account goes with client_credentials and jwt_bearer");
  if (grant.client_auth != ClientAuth::of_kind)
    return bad("assertion", "service_account does not go with client_auth");
  if (grant.assertion_type != AssertionType::jwt_bearer)
    return bad("assertion", "service_account is of the client_assertion_type jwt-bearer");
  return {};
}

Result<> check_exchange(const Grant& grant) {
  if (grant.kind != GrantKind::token_exchange) {
    if (!grant.requested_token_type.empty())
      return bad("requested_token_type", "belongs to a token exchange");
    if (grant.svid_role != SvidRole::subject)
      return bad("svid_role", "belongs to a token exchange");
    return {};
  }
  if (!grant.requested_token_type.empty() &&
      !grant.requested_token_type.starts_with(token_type_prefix))
    return bad("requested_token_type", "is no urn:ietf:params:oauth:token-type:…");
  return {};
}

// Values in a form that no two lists share.
std::string framed(std::string_view value) {
  return std::to_string(value.size()) + ":" + std::string(value);
}
std::string framed(const std::vector<std::string>& values) {
  std::string text = std::to_string(values.size()) + "[";
  for (const std::string& value : values) text += framed(value);
  return text;
}

std::string framed(const AwsGrant& aws) {
  std::string text = framed(aws.region) + std::to_string(aws.roles.size()) + "[";
  for (const AwsRole& role : aws.roles)
    text += framed(role.arn) + framed(role.session_name) + framed(role.external_id) +
            framed(std::to_string(role.duration.count()));
  return text;
}

// Nothing of OAuth is asked for.
Result<> check_keys(const Grant& grant) {
  if (!gives_keys(grant)) {
    if (grant.aws == AwsGrant()) return {};
    return bad("aws", "belongs to aws_web_identity");
  }
  if (!grant.audience.empty() || !grant.resource.empty() || !grant.scopes.empty())
    return bad("audience", "and resources and scopes are not asked of STS");
  if (!grant.client_id.empty()) return bad("client_id", "is not asked of STS");
  if (grant.client_auth != ClientAuth::of_kind)
    return bad("client_auth", "is of no use: STS takes the JWT-SVID");
  if (!grant.issuer.empty()) return bad("issuer", "is not asked for STS; token_endpoint names it");
  return check_aws_grant(grant.aws);
}

Result<std::string> origin_of(const Grant& grant) {
  TRY_ASSIGN(const Url url, parse_url(grant.issuer.empty() ? grant.token_endpoint : grant.issuer));
  if (gives_keys(grant)) return sts_origin(url);
  return (url.tls ? "https://" : "http://") + url.authority();
}

}  // namespace

std::string_view to_string(GrantKind kind) {
  switch (kind) {
    case GrantKind::client_credentials:
      return "client_credentials";
    case GrantKind::jwt_bearer:
      return "jwt_bearer";
    case GrantKind::token_exchange:
      return "token_exchange";
    case GrantKind::raw_svid:
      return "raw_svid";
    case GrantKind::aws_web_identity:
      return "aws_web_identity";
  }
  return "";
}

std::string_view to_string(AssertionType type) {
  return type == AssertionType::jwt_spiffe ? jwt_spiffe_urn : jwt_bearer_urn;
}

bool uses_jwt(const Grant& grant) {
  return grant.kind != GrantKind::client_credentials || grant.client_auth != ClientAuth::tls;
}

bool uses_agent(const Grant& grant) {
  return grant.client_auth == ClientAuth::tls ||
         (uses_jwt(grant) && grant.assertion == AssertionSource::svid);
}

Result<AssertionSource> read_assertion_source(std::string_view word) {
  if (word.empty()) return AssertionSource::svid;
  if (word == "service_account") return AssertionSource::service_account;
  return fail(Code::unsupported, "token grant: assertion must be service_account, or left out");
}

Result<ClientAuth> read_client_auth(std::string_view word) {
  if (word.empty()) return ClientAuth::of_kind;
  if (word == "tls_client_auth") return ClientAuth::tls;
  return fail(Code::unsupported, "token grant: client_auth must be tls_client_auth, or left out");
}

Result<AssertionType> read_assertion_type(std::string_view urn) {
  if (urn.empty() || urn == jwt_bearer_urn) return AssertionType::jwt_bearer;
  if (urn == jwt_spiffe_urn) return AssertionType::jwt_spiffe;
  return fail(Code::unsupported,
              "token grant: client_assertion_type must end in :jwt-bearer or :jwt-spiffe");
}

Result<std::string> derive_svid_audience(std::string_view token_endpoint) {
  TRY_ASSIGN(const Url url, parse_url(token_endpoint));
  constexpr std::string_view realms = "/realms/";
  const std::string path = url.target.substr(0, url.target.find('?'));
  const auto found = path.find(realms);
  if (found == std::string::npos) return std::string(token_endpoint);
  const auto realm = found + realms.size();
  const auto end = std::min(path.find('/', realm), path.size());
  if (end == realm) return std::string(token_endpoint);
  // As it is written, not as it is parsed: an issuer is compared byte for byte.
  return std::string(token_endpoint.substr(0, token_endpoint.find(path) + end));
}

Result<> check_grant(const Grant& grant) {
  TRY(check_svid_audience(grant));
  TRY(check_list("audience", grant.audience));
  TRY(check_list("resource", grant.resource));
  TRY(check_list("scopes", grant.scopes));
  if (!std::all_of(grant.scopes.begin(), grant.scopes.end(), is_scope))
    return bad("scopes", "has a quote or a backslash");
  if (!std::all_of(grant.resource.begin(), grant.resource.end(), is_resource))
    return bad("resource", "is no absolute URI without a fragment");
  if (!grant.client_id.empty()) TRY(check_value("client_id", grant.client_id));
  if (grant.lifetime.count() < 0 || grant.lifetime > longest_lifetime)
    return bad("cache_ttl_seconds", "must be 0 to 86400");
  TRY(check_service_account(grant));
  TRY(check_exchange(grant));
  TRY(check_keys(grant));
  if (grant.kind == GrantKind::raw_svid) {
    if (!grant.token_endpoint.empty() || !grant.issuer.empty())
      return bad("token_endpoint", "is not used with a raw JWT-SVID");
    if (grant.client_auth != ClientAuth::of_kind)
      return bad("client_auth", "is not used with a raw JWT-SVID");
    return {};
  }
  if (grant.token_endpoint.empty() == grant.issuer.empty())
    return bad("token_endpoint", "or issuer must be there, and not both");
  const Result<Url> server = parse_url(grant.issuer.empty() ? grant.token_endpoint : grant.issuer);
  if (!server) return bad("token_endpoint", "must be https://HOST[:PORT][/PATH]");
  return check_client_auth(grant, *server);
}

Result<> check_audiences_apart(const std::vector<const Grant*>& grants) {
  std::map<std::pair<AssertionSource, std::string>, std::string> origins;  // by audience
  for (const Grant* grant : grants) {
    if (!uses_jwt(*grant)) continue;
    std::string origin = "the upstream " + grant->svid_audience;
    if (grant->kind != GrantKind::raw_svid) {
      TRY_ASSIGN(origin, origin_of(*grant));
    }
    const auto [found, added] =
        origins.emplace(std::pair(grant->assertion, grant->svid_audience), origin);
    if (!added && found->second != origin)
      return fail(Code::invalid, "token grants for " + found->second + " and " + origin +
                                     " share the JWT-SVID audience " + grant->svid_audience +
                                     ": one of the two could use the JWT-SVID at the other");
  }
  return {};
}

std::string server_of(const Grant& grant) {
  const Result<std::string> origin = origin_of(grant);
  return origin ? *origin : std::string();
}

std::string cache_key(const Grant& grant) {
  std::string text = framed("keyward token grant 3") + framed(to_string(grant.kind)) +
                     framed(grant.token_endpoint) + framed(grant.issuer) +
                     framed(grant.svid_audience) + framed(to_string(grant.assertion_type)) +
                     framed(grant.client_id) + framed(grant.audience) + framed(grant.resource) +
                     framed(grant.scopes) + framed(grant.requested_token_type);
  text += framed(std::to_string(static_cast<int>(grant.svid_role)));
  text += framed(grant.subject.credential) + framed(grant.subject.version);
  text += framed(std::to_string(static_cast<int>(grant.client_auth)));
  text += framed(std::to_string(static_cast<int>(grant.assertion)));
  text += framed(std::to_string(grant.lifetime.count()));
  text += framed(grant.aws);
  return hex(sha256(text));
}

}  // namespace keyward::identity
