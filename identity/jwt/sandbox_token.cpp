#include "identity/jwt/sandbox_token.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "identity/jwt/json_object.hpp"
#include "identity/jwt/jws.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr std::int64_t latest_time = 253402300799;  // the end of year 9999: no overflow in any unit

struct Jws {
  CompactJws compact;
  JsonObject claims;
};

Result<Jws> parse(std::string_view text) {
  Jws jws;
  TRY_ASSIGN(jws.compact, parse_compact_jws(text));
  TRY_ASSIGN(jws.claims, parse_json_object(jws.compact.payload));
  return jws;
}

bool is(const JsonObject& object, std::string_view name, std::string_view value) {
  const std::string* text = object.text(name);
  return text != nullptr && *text == value;
}

std::string text_or_empty(const JsonObject& object, std::string_view name) {
  const std::string* text = object.text(name);
  return text == nullptr ? std::string() : *text;
}

TimePoint time_of(std::int64_t since_epoch) { return TimePoint(seconds(since_epoch)); }

std::int64_t seconds_of(TimePoint time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

// Empty when the times are acceptable.
std::string_view time_problem(std::int64_t issued, std::int64_t expires, const VerifyRules& rules,
                              TimePoint now) {
  if (issued <= 0 || expires <= issued || expires > latest_time) return "exp and iat are not sane";
  if (seconds(expires - issued) > rules.max_life)
    return "the life is longer than this gateway gives";
  if (time_of(issued) > now + clock_leeway) return "iat lies in the future";
  if (time_of(expires) < now - clock_leeway) return "expired";
  return {};
}

Verification check_claims(const JsonObject& claims, const VerifyRules& rules, TimePoint now) {
  const std::string sandbox_id = text_or_empty(claims, "sandbox_id");
  const std::string jti = text_or_empty(claims, "jti");
  const std::int64_t* issued = claims.integer("iat");
  const std::int64_t* expires = claims.integer("exp");
  if (!is(claims, "aud", rules.issuer)) return Rejected{"aud is not this gateway"};
  if (!is_uuid(sandbox_id)) return Rejected{"sandbox_id is missing or malformed"};
  if (!is(claims, "sub", subject_of(sandbox_id))) return Rejected{"sub is not the sandbox's"};
  if (!is_uuid(jti)) return Rejected{"jti is missing or malformed"};
  if (issued == nullptr || expires == nullptr) return Rejected{"exp or iat is missing"};
  if (const auto problem = time_problem(*issued, *expires, rules, now); !problem.empty())
    return Rejected{std::string(problem)};
  return SandboxClaims{sandbox_id, rules.issuer, jti, time_of(*issued), time_of(*expires)};
}

bool is_printable_id(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace

std::string issuer_of(std::string_view gateway_id) {
  return "openshell-gateway:" + std::string(gateway_id);
}

std::string subject_of(std::string_view sandbox_id) {
  return "spiffe://openshell/sandbox/" + std::string(sandbox_id);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (dash ? text[i] != '-' : !digit) return false;
  }
  return true;
}

Result<Secret> mint_sandbox_token(const SigningKey& key, const SandboxClaims& claims) {
  const nlohmann::json header = {{"typ", "JWT"}, {"alg", "EdDSA"}, {"kid", key.kid}};
  const nlohmann::json body = {{"iss", claims.issuer},
                               {"aud", claims.issuer},
                               {"sub", subject_of(claims.sandbox_id)},
                               {"sandbox_id", claims.sandbox_id},
                               {"jti", claims.jti},
                               {"iat", seconds_of(claims.issued)},
                               {"exp", seconds_of(claims.expires)}};
  Secret token(base64url(header.dump()) + "." + base64url(body.dump()));
  TRY_ASSIGN(const std::string signature, ed25519_sign(key.seed, token.reveal()));
  token.append("." + base64url(signature));
  return token;
}

Verification verify_sandbox_token(std::string_view text, const KeySet& keys,
                                  const VerifyRules& rules, TimePoint now) {
  const Result<Jws> jws = parse(text);
  if (!jws) return Declined{};
  const JsonObject& header = jws->compact.header;
  // Signed by the same key, for other audiences: named here because "unknown token" would mislead.
  if (is(header, "typ", "openshell-ext+jwt"))
    return Rejected{"extension tokens cannot authenticate to the gateway"};
  const std::string kid = jws->compact.header_text("kid");
  const auto key = std::find_if(keys.begin(), keys.end(),
                                [&](const VerifyingKey& each) { return each.kid == kid; });
  if (key == keys.end() || !is(header, "alg", "EdDSA") || !is(jws->claims, "iss", rules.issuer))
    return Declined{};
  if (header.has("typ") && !is(header, "typ", "JWT")) return Rejected{"typ is not JWT"};
  if (header.has("crit")) return Rejected{"crit is not supported"};  // RFC 7515 4.1.11
  if (!key->key.verifies(jws->compact.signed_part, jws->compact.signature))
    return Rejected{"the signature does not verify"};
  return check_claims(jws->claims, rules, now);
}

Result<UnverifiedClaims> read_own_token(std::string_view text) {
  TRY_ASSIGN(const Jws jws, parse(text));
  UnverifiedClaims claims;
  claims.sandbox_id = text_or_empty(jws.claims, "sandbox_id");
  claims.subject = text_or_empty(jws.claims, "sub");
  claims.issuer = text_or_empty(jws.claims, "iss");
  claims.jti = text_or_empty(jws.claims, "jti");
  if (!is_printable_id(claims.sandbox_id))
    return fail(Code::invalid, "token: has no usable sandbox_id");
  const auto bounded = [&](std::string_view name) {
    const std::int64_t* value = jws.claims.integer(name);
    return value == nullptr ? std::int64_t{0} : std::clamp<std::int64_t>(*value, 0, latest_time);
  };
  claims.issued = time_of(bounded("iat"));
  const std::int64_t expires = bounded("exp");
  claims.expires = expires == 0 ? never_expires : time_of(expires);
  return claims;
}

}  // namespace keyward::identity
