#include "identity/jwt/jwt_svid.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "identity/jwt/jws.hpp"
#include "identity/jwt/registered_claims.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/jwt/spiffe_id.hpp"

namespace keyward::identity {
namespace {

constexpr JsonLimits claim_limits{8, 256};
constexpr std::array<std::string_view, 9> algorithms = {"RS256", "RS384", "RS512", "ES256", "ES384",
                                                        "ES512", "PS256", "PS384", "PS512"};

struct Refusal {
  const char* kind;
  tl::unexpected<Error> operator()(const std::string& why, Code code = Code::denied) const {
    return fail(code, std::string(kind) + ": " + why);
  }
};
constexpr Refusal svid_refused{"JWT-SVID"}, account_refused{"ServiceAccount token"};

Result<> check_algorithm(const JsonObject& header, const Refusal& refused) {
  const std::string* algorithm = header.text("alg");
  if (algorithm == nullptr ||
      std::find(algorithms.begin(), algorithms.end(), *algorithm) == algorithms.end())
    return refused("alg is none of RS, ES or PS with 256, 384 or 512");
  return {};
}

// JWT-SVID section 2: no other parameter may be there, so that none has to be understood.
Result<> check_header(const JsonObject& header) {
  for (const auto& [name, value] : header.members())
    if (name != "alg" && name != "kid" && name != "typ")
      return svid_refused("its header has a parameter other than alg, kid and typ");
  TRY(check_algorithm(header, svid_refused));
  if (header.has("kid") && header.text("kid") == nullptr) return svid_refused("kid is no text");
  if (!header.has("typ")) return {};
  const std::string* type = header.text("typ");
  if (type == nullptr || (*type != "JWT" && *type != "JOSE"))
    return svid_refused("typ is neither JWT nor JOSE");
  return {};
}

Result<> check_begin(const nlohmann::json& claims, TimePoint now, const Refusal& refused) {
  for (const char* name : {"iat", "nbf"}) {
    if (!claims.contains(name)) continue;
    const auto begin = numeric_date(claims, name);
    if (!begin) return refused(std::string(name) + " is no time");
    if (*begin > now + clock_leeway) return refused(std::string(name) + " is in the future");
  }
  return {};
}

struct Presented {
  const std::string& audience;
  TimePoint now;
  const Refusal& refused;
  Code ended;  // of one that has expired
};

// Of whatever is presented to somebody who must not be able to use it elsewhere.
Result<JwtSvidClaims> read_claims(const CompactJws& jws, const Presented& wanted) {
  const Refusal& refused = wanted.refused;
  if (!check_json_object(jws.payload, claim_limits)) return refused("malformed claims");
  const auto claims = nlohmann::json::parse(jws.payload, nullptr, false);
  const auto subject = claims.find("sub");
  if (subject == claims.end() || !subject->is_string()) return refused("sub is missing or no text");
  if (!names_audience(claims, wanted.audience))
    return refused("aud is not the audience that was asked for");
  if (!is_only_audience(claims, wanted.audience))
    return refused("aud has more members than the audience that was asked for");
  const auto expires = numeric_date(claims, "exp");
  if (!expires) return refused("exp is missing or no time");
  if (*expires <= wanted.now) return refused("it has expired", wanted.ended);
  TRY(check_begin(claims, wanted.now, refused));
  return JwtSvidClaims{
      subject->get<std::string>(), wanted.audience,        jws.header_text("alg"), *expires,
      numeric_date(claims, "iat"), claims.contains("iss"), claims.contains("jti")};
}

}  // namespace

Result<JwtSvidClaims> check_jwt_svid(std::string_view text, const JwtSvidRules& rules,
                                     TimePoint now) {
  const Result<CompactJws> jws = parse_compact_jws(text);
  if (!jws || jws->signature.empty()) return svid_refused("not a compact JWS of three parts");
  TRY(check_header(jws->header));
  TRY_ASSIGN(JwtSvidClaims claims,
             read_claims(*jws, {rules.audience, now, svid_refused, Code::denied}));
  if (!parse_spiffe_id(claims.spiffe_id)) return svid_refused("sub is no SPIFFE ID");
  if (claims.spiffe_id != rules.spiffe_id)
    return svid_refused("sub is another identity than the one that was asked for");
  return claims;
}

Result<JwtSvidClaims> check_service_account_token(std::string_view text,
                                                  const std::string& audience, TimePoint now) {
  const Result<CompactJws> jws = parse_compact_jws(text);
  if (!jws || jws->signature.empty()) return account_refused("not a compact JWS of three parts");
  TRY(check_algorithm(jws->header, account_refused));
  return read_claims(*jws, {audience, now, account_refused, Code::unavailable});
}

}  // namespace keyward::identity
