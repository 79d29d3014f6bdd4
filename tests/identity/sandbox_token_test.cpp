#include "identity/jwt/sandbox_token.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

using namespace keyward;
using namespace keyward::identity;
using nlohmann::json;
using std::chrono::seconds;

namespace {

const std::string sandbox = "6f0f5a1c-6a4e-4a63-9b8a-0d3f8c1e2b47";
const std::string jti = "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa";
const TimePoint now{seconds(1'800'000'000)};
const VerifyRules rules{issuer_of("openshell"), seconds(3600)};

const SigningKey& signing_key() {
  static const SigningKey key = generate_signing_key();
  return key;
}
const KeySet& keys() {
  static const KeySet set = {signing_key().verifying_key()};
  return set;
}

json good_header() { return {{"typ", "JWT"}, {"alg", "EdDSA"}, {"kid", signing_key().kid}}; }
json good_claims() {
  return {{"iss", rules.issuer},   {"aud", rules.issuer}, {"sub", subject_of(sandbox)},
          {"sandbox_id", sandbox}, {"jti", jti},          {"iat", 1'799'999'000},
          {"exp", 1'800'002'600}};
}

std::string sign(const std::string& header, const std::string& claims) {
  const std::string input = base64url(header) + "." + base64url(claims);
  return input + "." + base64url(ed25519_sign(signing_key().seed, input).value());
}

enum class Outcome { accepted, declined, rejected };
Outcome outcome(std::string_view token, TimePoint at = now) {
  const Verification result = verify_sandbox_token(token, keys(), rules, at);
  if (std::holds_alternative<SandboxClaims>(result)) return Outcome::accepted;
  return std::holds_alternative<Declined>(result) ? Outcome::declined : Outcome::rejected;
}

}  // namespace

TEST_CASE("sandbox token: minted tokens verify") {
  const SandboxClaims claims{sandbox, rules.issuer, jti, now, now + seconds(3600)};
  const auto token = mint_sandbox_token(signing_key(), claims);
  REQUIRE(token.has_value());
  const Verification result = verify_sandbox_token(token->reveal(), keys(), rules, now);
  REQUIRE(std::holds_alternative<SandboxClaims>(result));
  const auto& got = std::get<SandboxClaims>(result);
  CHECK(got.sandbox_id == sandbox);
  CHECK(got.jti == jti);
  CHECK(got.issued == now);
  CHECK(got.expires == now + seconds(3600));
}

TEST_CASE("sandbox token: header table") {
  struct Case {
    const char* name;
    std::function<void(json&)> change;
    Outcome want;
  };
  const std::vector<Case> cases = {
      {"unchanged", [](json&) {}, Outcome::accepted},
      {"no typ", [](json& h) { h.erase("typ"); }, Outcome::accepted},
      {"typ at+jwt", [](json& h) { h["typ"] = "at+jwt"; }, Outcome::rejected},
      {"typ a number", [](json& h) { h["typ"] = 1; }, Outcome::rejected},
      {"extension token", [](json& h) { h["typ"] = "openshell-ext+jwt"; }, Outcome::rejected},
      {"foreign kid", [](json& h) { h["kid"] = std::string(32, '0'); }, Outcome::declined},
      {"no kid", [](json& h) { h.erase("kid"); }, Outcome::declined},
      {"alg none", [](json& h) { h["alg"] = "none"; }, Outcome::declined},
      {"alg HS256", [](json& h) { h["alg"] = "HS256"; }, Outcome::declined},
      {"alg eddsa", [](json& h) { h["alg"] = "eddsa"; }, Outcome::declined},
      {"crit", [](json& h) { h["crit"] = json::array({"b64"}); }, Outcome::rejected},
      {"jwk is ignored", [](json& h) { h["jwk"] = json::object(); }, Outcome::accepted},
  };
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      json header = good_header();
      c.change(header);
      CHECK(outcome(sign(header.dump(), good_claims().dump())) == c.want);
    }
  }
}

TEST_CASE("sandbox token: claims table") {
  struct Case {
    const char* name;
    std::function<void(json&)> change;
    Outcome want;
  };
  const std::vector<Case> cases = {
      {"unchanged", [](json&) {}, Outcome::accepted},
      {"extra claim", [](json& c) { c["extra"] = json::array({1}); }, Outcome::accepted},
      {"foreign issuer", [](json& c) { c["iss"] = "openshell-gateway:other"; }, Outcome::declined},
      {"no issuer", [](json& c) { c.erase("iss"); }, Outcome::declined},
      {"foreign aud", [](json& c) { c["aud"] = "openshell-gateway:other"; }, Outcome::rejected},
      {"aud array", [](json& c) { c["aud"] = json::array({rules.issuer}); }, Outcome::rejected},
      {"no aud", [](json& c) { c.erase("aud"); }, Outcome::rejected},
      {"sub of another", [](json& c) { c["sub"] = subject_of(jti); }, Outcome::rejected},
      {"no sub", [](json& c) { c.erase("sub"); }, Outcome::rejected},
      {"sandbox_id no uuid",
       [](json& c) {
         c["sandbox_id"] = "x";
         c["sub"] = subject_of("x");
       },
       Outcome::rejected},
      {"no jti", [](json& c) { c.erase("jti"); }, Outcome::rejected},
      {"jti upper case", [](json& c) { c["jti"] = "0B2CB0C8-27A8-4A9F-8F5D-7FB0A1F4B1AA"; },
       Outcome::rejected},
      {"exp 0", [](json& c) { c["exp"] = 0; }, Outcome::rejected},
      {"exp a string", [](json& c) { c["exp"] = "1800002600"; }, Outcome::rejected},
      {"exp a fraction", [](json& c) { c["exp"] = 1800002600.5; }, Outcome::rejected},
      {"exp before iat", [](json& c) { c["exp"] = 1'799'998'999; }, Outcome::rejected},
      {"exp huge", [](json& c) { c["exp"] = 9'000'000'000'000'000'000; }, Outcome::rejected},
      {"iat negative", [](json& c) { c["iat"] = -1; }, Outcome::rejected},
      {"no iat", [](json& c) { c.erase("iat"); }, Outcome::rejected},
      {"life too long", [](json& c) { c["exp"] = 1'800'002'601; }, Outcome::rejected},
      {"iat within the leeway", [](json& c) { c["iat"] = 1'800'000'060; }, Outcome::accepted},
      {"iat in the future", [](json& c) { c["iat"] = 1'800'000'061; }, Outcome::rejected},
  };
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      json claims = good_claims();
      c.change(claims);
      CHECK(outcome(sign(good_header().dump(), claims.dump())) == c.want);
    }
  }
}

TEST_CASE("sandbox token: expiry with leeway") {
  const std::string token = sign(good_header().dump(), good_claims().dump());
  const TimePoint expires{seconds(1'800'002'600)};
  CHECK(outcome(token, expires + seconds(60)) == Outcome::accepted);
  CHECK(outcome(token, expires + seconds(61)) == Outcome::rejected);
}

TEST_CASE("sandbox token: altered bytes") {
  const std::string token = sign(good_header().dump(), good_claims().dump());
  const auto first = token.find('.'), last = token.rfind('.');
  std::string altered = token;
  altered[last + 5] = altered[last + 5] == 'A' ? 'B' : 'A';
  CHECK(outcome(altered) == Outcome::rejected);
  CHECK(outcome(token.substr(0, last)) == Outcome::declined);
  CHECK(outcome(token.substr(0, last + 1)) == Outcome::rejected);  // empty signature
  CHECK(outcome(token + ".") == Outcome::declined);
  CHECK(outcome(token + "=") == Outcome::declined);  // padding
  CHECK(outcome(" " + token) == Outcome::declined);
  CHECK(outcome(token + "\n") == Outcome::declined);
  CHECK(outcome("") == Outcome::declined);
  CHECK(outcome("..") == Outcome::declined);
  CHECK(outcome(token.substr(first)) == Outcome::declined);
  CHECK(outcome(std::string(token_limit + 1, 'A')) == Outcome::declined);
}

TEST_CASE("sandbox token: duplicate members and claims of another token") {
  std::string claims = good_claims().dump();
  claims.insert(1, "\"exp\":1800000001,");
  CHECK(outcome(sign(good_header().dump(), claims)) == Outcome::declined);
  // The signature covers header and claims: parts of two genuine tokens do not mix.
  const std::string a = sign(good_header().dump(), good_claims().dump());
  json other = good_claims();
  other["sandbox_id"] = jti;
  other["sub"] = subject_of(jti);
  const std::string b = sign(good_header().dump(), other.dump());
  CHECK(outcome(b.substr(0, b.rfind('.')) + a.substr(a.rfind('.'))) == Outcome::rejected);
}

TEST_CASE("sandbox token: a key that is not in the set") {
  const SigningKey stranger = generate_signing_key();
  const SandboxClaims claims{sandbox, rules.issuer, jti, now, now + seconds(60)};
  const auto foreign = mint_sandbox_token(stranger, claims);
  CHECK(outcome(foreign->reveal()) == Outcome::declined);
  // A stranger that names our kid.
  SigningKey liar = generate_signing_key();
  liar.kid = signing_key().kid;
  CHECK(outcome(mint_sandbox_token(liar, claims)->reveal()) == Outcome::rejected);
}

TEST_CASE("own token: unverified reading") {
  const auto own = read_own_token(sign(good_header().dump(), good_claims().dump()));
  REQUIRE(own.has_value());
  CHECK(own->sandbox_id == sandbox);
  CHECK(own->jti == jti);
  CHECK(own->subject == subject_of(sandbox));
  CHECK(own->expires == TimePoint(seconds(1'800'002'600)));

  json claims = good_claims();
  claims["exp"] = 0;
  claims.erase("jti");
  const auto endless = read_own_token(sign(good_header().dump(), claims.dump()));
  REQUIRE(endless.has_value());
  CHECK(endless->expires == never_expires);

  claims["sandbox_id"] = "a\nb";
  CHECK_FALSE(read_own_token(sign(good_header().dump(), claims.dump())).has_value());
  const auto garbage = read_own_token("not-a-token-hunter2");
  REQUIRE_FALSE(garbage.has_value());
  CHECK(garbage.error().what.find("hunter2") == std::string::npos);
}
