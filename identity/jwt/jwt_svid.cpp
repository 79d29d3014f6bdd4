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

tl::unexpected<Error> refused(const std::string& why) {
  return fail(Code::denied, "JWT-SVID: " + why);
}

// JWT-SVID section 2: no other parameter may be there, so that none has to be understood.
Result<> check_header(const JsonObject& header) {
  for (const auto& [name, value] : header.members())
    if (name != "alg" && name != "kid" && name != "typ")
      return refused("its header has a parameter other than alg, kid and typ");
  const std::string* algorithm = header.text("alg");
  if (algorithm == nullptr ||
      std::find(algorithms.begin(), algorithms.end(), *algorithm) == algorithms.end())
    return refused("alg is none of RS, ES or PS with 256, 384 or 512");
  if (header.has("kid") && header.text("kid") == nullptr) return refused("kid is no text");
  if (!header.has("typ")) return {};
  const std::string* type = header.text("typ");
  if (type == nullptr || (*type != "JWT" && *type != "JOSE"))
    return refused("typ is neither JWT nor JOSE");
  return {};
}

Result<> check_begin(const nlohmann::json& claims, TimePoint now) {
  for (const char* name : {"iat", "nbf"}) {
    if (!claims.contains(name)) continue;
    const auto begin = numeric_date(claims, name);
    if (!begin) return refused(std::string(name) + " is no time");
    if (*begin > now + clock_leeway) return refused(std::string(name) + " is in the future");
  }
  return {};
}

}  // namespace

Result<JwtSvidClaims> check_jwt_svid(std::string_view text, const JwtSvidRules& rules,
                                     TimePoint now) {
  const Result<CompactJws> jws = parse_compact_jws(text);
  if (!jws || jws->signature.empty()) return refused("not a compact JWS of three parts");
  TRY(check_header(jws->header));
  if (!check_json_object(jws->payload, claim_limits)) return refused("malformed claims");
  const auto claims = nlohmann::json::parse(jws->payload, nullptr, false);
  const auto subject = claims.find("sub");
  if (subject == claims.end() || !subject->is_string() ||
      !parse_spiffe_id(subject->get_ref<const std::string&>()))
    return refused("sub is no SPIFFE ID");
  if (subject->get_ref<const std::string&>() != rules.spiffe_id)
    return refused("sub is another identity than the one that was asked for");
  if (!names_audience(claims, rules.audience))
    return refused("aud is not the audience that was asked for");
  if (!is_only_audience(claims, rules.audience))
    return refused("aud has more members than the audience that was asked for");
  const auto expires = numeric_date(claims, "exp");
  if (!expires) return refused("exp is missing or no time");
  if (*expires <= now) return refused("it has expired");
  TRY(check_begin(claims, now));
  return JwtSvidClaims{rules.spiffe_id,
                       rules.audience,
                       jws->header_text("alg"),
                       *expires,
                       numeric_date(claims, "iat"),
                       claims.contains("iss"),
                       claims.contains("jti")};
}

}  // namespace keyward::identity
