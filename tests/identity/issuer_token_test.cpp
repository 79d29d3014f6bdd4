#include "identity/jwt/issuer_token.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "identity/jwt/jwks.hpp"
#include "tests/support/issuer.hpp"

using namespace keyward;
using namespace keyward::identity;
using nlohmann::json;
using tests::IssuerKey;

namespace {

constexpr const char* issuer = "https://idp.example";
constexpr std::int64_t now_seconds = 1'800'000'000;
const TimePoint now{std::chrono::seconds(now_seconds)};

json claims() {
  return {{"iss", issuer},
          {"aud", "gateway"},
          {"sub", "alice"},
          {"iat", now_seconds - 10},
          {"exp", now_seconds + 300},
          {"realm_access", {{"roles", {"a", "b"}}}},
          {"scope", "openid config:read"}};
}

// "" when the token is acceptable, "declined", or why it is rejected.
std::string verdict(const std::string& token, const PublicKey& key) {
  const auto recognised = IssuerToken::recognise(token, issuer);
  if (!std::holds_alternative<IssuerToken>(recognised)) return "declined";
  const auto problem = std::get<IssuerToken>(recognised).problem(key, "gateway", now);
  return problem ? problem->reason : "";
}

PublicKey only_key(const IssuerKey& key) {
  const auto keys = parse_jwks(tests::key_set({key.jwk()}));
  REQUIRE(keys);
  REQUIRE(keys->size() == 1);
  return keys->at(0).key;
}

const IssuerKey& rsa() {
  static const IssuerKey key("RS256", "r1");
  return key;
}

}  // namespace

TEST_CASE("issuer token: each algorithm, and no algorithm with another one's key") {
  const IssuerKey ec("ES256", "e1"), ed("EdDSA", "d1"), other("ES256", "e2");
  for (const IssuerKey* key : {&rsa(), &ec, &ed}) {
    CAPTURE(key->header().dump());
    CHECK(verdict(key->token(claims()), only_key(*key)).empty());
    json changed = claims();
    changed["sub"] = "mallory";
    const std::string good = key->token(claims());
    const std::string forged = base64url(key->header().dump()) + "." + base64url(changed.dump()) +
                               good.substr(good.rfind('.'));
    CHECK(verdict(forged, only_key(*key)) == "the signature does not verify");
  }
  CHECK(verdict(ec.token(claims()), only_key(other)) == "the signature does not verify");
  CHECK(verdict(ec.token(claims()), only_key(rsa())) == "alg is not the key's");
  CHECK(verdict(rsa().token(claims()), only_key(ed)) == "alg is not the key's");
}

TEST_CASE("issuer token: what is not ours by what it says is declined") {
  const PublicKey key = only_key(rsa());
  json foreign = claims();
  foreign["iss"] = "https://idp.example/";
  json header = rsa().header();
  CHECK(verdict(rsa().token(foreign), key) == "declined");
  for (const char* algorithm : {"none", "HS256", "RS512", "PS256", "rs256", ""}) {
    header["alg"] = algorithm;
    CHECK(verdict(rsa().token(header, claims()), key) == "declined");
  }
  for (const char* text : {"", "a", "a.b", "a.b.c", "e30.e30.", "....", "e30.W10.AA"})
    CHECK(verdict(text, key) == "declined");
  // Duplicate members: two readers could see two tokens.
  CHECK(verdict(rsa().token_of(
                    base64url(rsa().header().dump()) + "." +
                    base64url(R"({"iss":"https://idp.example","iss":"https://idp.example"})")),
                key) == "declined");
  CHECK(verdict(rsa().token(claims()) + "=", key) == "declined");
}

TEST_CASE("issuer token: claims and headers that are not acceptable are told") {
  const PublicKey key = only_key(rsa());
  const auto with = [&](const char* name, const json& value) {
    json changed = claims();
    changed[name] = value;
    return verdict(rsa().token(changed), key);
  };
  const auto without = [&](const char* name) {
    json changed = claims();
    changed.erase(name);
    return verdict(rsa().token(changed), key);
  };
  CHECK(with("aud", {"x", "gateway"}).empty());
  CHECK(with("aud", "gateway2") == "aud is not this gateway's");
  CHECK(with("aud", json::array()) == "aud is not this gateway's");
  CHECK(with("aud", 1) == "aud is not this gateway's");
  CHECK(without("aud") == "aud is not this gateway's");
  CHECK(without("exp") == "exp is missing or no time");
  for (const json& time : {json("1800000300"), json(-1), json(1e300), json(nullptr)})
    CHECK(with("exp", time) == "exp is missing or no time");
  CHECK(with("exp", now_seconds - 61) == "expired");
  CHECK(with("exp", now_seconds - 59).empty());
  CHECK(with("exp", now_seconds + 0.5).empty());
  CHECK(with("nbf", now_seconds + 61) == "not yet valid");
  CHECK(with("nbf", now_seconds + 59).empty());
  CHECK(with("iat", now_seconds + 3600) == "not yet valid");
  CHECK(with("iat", "soon") == "nbf or iat is no time");

  const auto header = [&](const char* name, const json& value) {
    json changed = rsa().header();
    changed[name] = value;
    return verdict(rsa().token(changed, claims()), key);
  };
  CHECK(header("typ", "at+jwt").empty());
  CHECK(header("typ", "logout+jwt") == "typ is not that of an access token");
  CHECK(header("typ", 1) == "typ is not that of an access token");
  CHECK(header("crit", {"exp"}) == "crit is not supported");
}

TEST_CASE("issuer token: texts by their path") {
  const auto recognised = IssuerToken::recognise(rsa().token(claims()), "");
  REQUIRE(std::holds_alternative<IssuerToken>(recognised));
  const auto& token = std::get<IssuerToken>(recognised);
  CHECK(token.kid() == "r1");
  CHECK(token.text({"sub"}) == "alice");
  CHECK(token.text({"realm_access"}).empty());
  CHECK(token.texts({"realm_access", "roles"}) == std::vector<std::string>{"a", "b"});
  CHECK(token.texts({"scope"}) == std::vector<std::string>{"openid", "config:read"});
  CHECK(token.texts({"scope", "roles"}).empty());
  CHECK(token.texts({"absent"}).empty());
}

TEST_CASE("key set: what can verify is taken, the rest is left out") {
  const IssuerKey ec("ES256", "e1"), ed("EdDSA", "d1");
  json encrypting = ec.jwk(), other_algorithm = ec.jwk(), nameless = ec.jwk();
  encrypting["use"] = "enc";
  other_algorithm["alg"] = "ES384";
  nameless.erase("kid");
  const json p384{{"kty", "EC"}, {"crv", "P-384"}, {"kid", "p"}, {"x", "AA"}, {"y", "AA"}};
  json off_curve = ec.jwk();
  off_curve["x"] = off_curve["y"];
  json small = rsa().jwk();
  small["n"] = base64url(std::string(128, '\xff'));
  const auto keys = parse_jwks(tests::key_set({rsa().jwk(), ed.jwk(), encrypting, other_algorithm,
                                               nameless, p384, off_curve, small, json(1)}));
  REQUIRE(keys);
  REQUIRE(keys->size() == 2);
  CHECK(keys->at(0).kid == "r1");
  CHECK(keys->at(1).kid == "d1");
}

TEST_CASE("key set: refused") {
  const IssuerKey ed("EdDSA", "d1");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":{}})"),
        std::string(R"({"keys":[]})"), tests::key_set({ed.jwk(), ed.jwk()}),
        R"({"keys":[)" + ed.jwk().dump() + R"(],"keys":[]})", std::string(300'000, ' ')}) {
    CAPTURE(text.substr(0, 80));
    CHECK_FALSE(parse_jwks(text));
  }
}
