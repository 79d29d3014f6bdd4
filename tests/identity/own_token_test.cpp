#include "identity/jwt/own_token.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;

namespace {

const std::string id = "6f0f5a1c-6a4e-4a63-9b8a-0d3f8c1e2b47";
const std::string jti = "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa";
const TimePoint now{1'700'000'000s};
const nlohmann::json none = nlohmann::json::object();  // {} is null
const SigningKey key = generate_signing_key(), other_key = generate_signing_key();

JwkSet set_of(const KeySet& keys) { return parse_jwks(jwks_json(keys)).value(); }

// A good token with some members changed; `null` takes one away.
std::string token_with(const nlohmann::json& header_changes, const nlohmann::json& claim_changes,
                       const SigningKey& signer = key) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  nlohmann::json header = {{"typ", "JWT"}, {"alg", "EdDSA"}, {"kid", key.kid}};
  nlohmann::json claims = {{"iss", issuer_of("g")},
                           {"aud", issuer_of("g")},
                           {"sub", subject_of(id)},
                           {"sandbox_id", id},
                           {"jti", jti},
                           {"iat", seconds.count()},
                           {"exp", seconds.count() + 60}};
  header.merge_patch(header_changes);
  claims.merge_patch(claim_changes);
  const std::string part = base64url(header.dump()) + "." + base64url(claims.dump());
  return part + "." + base64url(ed25519_sign(signer.seed, part).value());
}

}  // namespace

TEST_CASE("own token: a good one, whoever its gateway is and however long it lives") {
  const JwkSet keys = set_of({other_key.verifying_key(), key.verifying_key()});
  const auto claims = check_own_token(token_with(none, none), keys, now);
  REQUIRE(claims.has_value());
  CHECK(claims->sandbox_id == id);
  CHECK(claims->issuer == issuer_of("g"));
  CHECK(check_own_token(token_with(none, {{"exp", 253402300799}}), keys, now).has_value());
  CHECK(check_own_token(token_with(none, none), keys, now + 2min).has_value());  // the leeway
}

TEST_CASE("own token: why it is not valid") {
  struct Case {
    const char* name;
    nlohmann::json header, claims;
    const char* reason;
  };
  const JwkSet keys = set_of({key.verifying_key()});
  for (const Case& c : std::initializer_list<Case>{
           {"algorithm", {{"alg", "none"}}, none, "alg"},
           {"another algorithm", {{"alg", "RS256"}}, none, "alg"},
           {"unknown kid", {{"kid", "x"}}, none, "kid"},
           {"no kid", {{"kid", nullptr}}, none, "kid"},
           {"type", {{"typ", "openshell-ext+jwt"}}, none, "extension"},
           {"critical header", {{"crit", "x"}}, none, "crit"},
           {"no issuer", none, {{"iss", nullptr}}, "iss"},
           {"foreign issuer", none, {{"iss", "https://issuer.example"}}, "iss"},
           {"issuer without a name", none, {{"iss", issuer_of("")}}, "iss"},
           {"another audience", none, {{"aud", issuer_of("h")}}, "aud"},
           {"another's subject", none, {{"sub", subject_of(jti)}}, "sub"},
           {"no sandbox", none, {{"sandbox_id", nullptr}}, "not a sandbox token"},
           {"no jti", none, {{"jti", nullptr}}, "jti"},
           {"no end", none, {{"exp", nullptr}}, "exp"},
           {"expired", none, {{"iat", 1600000000}, {"exp", 1600000060}}, "expired"},
           {"not yet", none, {{"iat", 1700000100}, {"exp", 1700000200}}, "future"}}) {
    CAPTURE(c.name);
    const auto checked = check_own_token(token_with(c.header, c.claims), keys, now);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Code::unauthenticated);
    CAPTURE(checked.error().what);
    CHECK(checked.error().what.find(c.reason) != std::string::npos);
  }
}

TEST_CASE("own token: the signature decides, and the text is never quoted") {
  const JwkSet keys = set_of({key.verifying_key()});
  const std::string good = token_with(none, none);
  const auto dot = good.rfind('.');
  for (const std::string& text :
       {token_with(none, none, other_key), good.substr(0, dot + 1), good.substr(0, dot),
        token_with(none, {{"jti", id}}).substr(0, dot) + good.substr(dot), std::string(),
        good + "A", std::string(9000, 'a')}) {
    const auto checked = check_own_token(text, keys, now);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Code::unauthenticated);
    CHECK(checked.error().what.find(good.substr(0, 20)) == std::string::npos);
  }
}

TEST_CASE("own token: keys of another kind are no help") {
  // The same kid, P-256 (RFC 7515 appendix A.3).
  const std::string text = R"({"keys":[{"kty":"EC","crv":"P-256","kid":")" + key.kid +
                           R"(","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                           R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";
  const auto checked = check_own_token(token_with(none, none), parse_jwks(text).value(), now);
  REQUIRE_FALSE(checked.has_value());
  CHECK(checked.error().what.find("kid") != std::string::npos);
}
