// JWT-SVIDs and SPIFFE IDs: what an agent may answer, and what it may not.
#include "identity/jwt/jwt_svid.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/bytes.hpp"
#include "identity/jwt/spiffe_id.hpp"

using namespace keyward;
using namespace keyward::identity;
using nlohmann::json;

namespace {

const TimePoint now{std::chrono::seconds(1'800'000'000)};
const JwtSvidRules rules{"spiffe://example.org/sandbox/a", "https://as.example"};

const json good_header = {{"alg", "ES256"}, {"kid", "k"}, {"typ", "JWT"}};
const json good_claims = {{"sub", rules.spiffe_id},
                          {"aud", json::array({rules.audience})},
                          {"exp", 1'800'000'300},
                          {"iat", 1'800'000'000}};

std::string token_of(const std::string& header, const std::string& claims) {
  return base64url(header) + "." + base64url(claims) + "." + base64url("signature");
}
std::string token(const json& header, const json& claims) {
  return token_of(header.dump(), claims.dump());
}
json with(json object, const char* name, json value) {
  object[name] = std::move(value);
  return object;
}
json without(json object, const char* name) {
  object.erase(name);
  return object;
}

}  // namespace

TEST_CASE("jwt-svid: what an agent sends is taken") {
  const auto claims = check_jwt_svid(token(good_header, good_claims), rules, now);
  REQUIRE(claims.has_value());
  CHECK(claims->spiffe_id == rules.spiffe_id);
  CHECK(claims->algorithm == "ES256");
  CHECK(claims->expires == now + std::chrono::seconds(300));
  CHECK(claims->issued == now);
  CHECK_FALSE(claims->has_issuer);
  CHECK_FALSE(claims->has_jwt_id);

  json more = with(with(good_claims, "iss", "https://spire"), "jti", "one");
  more["aud"] = rules.audience;
  const auto complete = check_jwt_svid(token({{"alg", "PS512"}}, more), rules, now);
  REQUIRE(complete.has_value());
  CHECK(complete->has_issuer);
  CHECK(complete->has_jwt_id);
}

TEST_CASE("jwt-svid: everything else is refused, with the rule that it breaks") {
  struct Row {
    const char* name;
    std::string token;
    const char* said;
  };
  const std::string claims = good_claims.dump();
  const std::vector<Row> rows = {
      {"no JWS", "a.b", "three parts"},
      {"no signature", base64url("{}") + "." + base64url("{}") + ".", "three parts"},
      {"padding", token(good_header, good_claims) + "=", "three parts"},
      {"alg none", token(with(good_header, "alg", "none"), good_claims), "alg"},
      {"alg HS256", token(with(good_header, "alg", "HS256"), good_claims), "alg"},
      {"alg EdDSA", token(with(good_header, "alg", "EdDSA"), good_claims), "alg"},
      {"alg missing", token(without(good_header, "alg"), good_claims), "alg"},
      {"alg twice", token_of(R"({"alg":"ES256","alg":"none"})", claims), "three parts"},
      {"kid a number", token(with(good_header, "kid", 1), good_claims), "kid"},
      {"jku", token(with(good_header, "jku", "https://evil"), good_claims), "parameter"},
      {"crit", token(with(good_header, "crit", json::array({"x"})), good_claims), "parameter"},
      {"typ", token(with(good_header, "typ", "at+jwt"), good_claims), "typ"},
      {"sub missing", token(good_header, without(good_claims, "sub")), "sub"},
      {"sub another", token(good_header, with(good_claims, "sub", "spiffe://example.org/b")),
       "another identity"},
      {"sub no ID", token(good_header, with(good_claims, "sub", "admin")), "sub"},
      {"aud missing", token(good_header, without(good_claims, "aud")), "aud"},
      {"aud another", token(good_header, with(good_claims, "aud", "https://evil")), "aud"},
      {"aud more",
       token(good_header, with(good_claims, "aud", json::array({rules.audience, "https://evil"}))),
       "more members"},
      {"aud twice the same",
       token(good_header, with(good_claims, "aud", json::array({rules.audience, rules.audience}))),
       "more members"},
      {"exp missing", token(good_header, without(good_claims, "exp")), "exp"},
      {"exp a text", token(good_header, with(good_claims, "exp", "1800000300")), "exp"},
      {"exp negative", token(good_header, with(good_claims, "exp", -1)), "exp"},
      {"exp absurd", token(good_header, with(good_claims, "exp", 1e300)), "exp"},
      {"expired", token(good_header, with(good_claims, "exp", 1'800'000'000)), "expired"},
      {"nbf later", token(good_header, with(good_claims, "nbf", 1'800'000'200)), "future"},
      {"iat later", token(good_header, with(good_claims, "iat", 1'800'000'200)), "future"},
      {"iat a text", token(good_header, with(good_claims, "iat", "x")), "no time"},
      {"claims twice", token_of(good_header.dump(), R"({"sub":"a","sub":"b"})"), "malformed"},
      {"claims deep", token_of(good_header.dump(), std::string(64, '[')), "malformed"},
      {"long", token(good_header, with(good_claims, "x", std::string(9000, 'a'))), "three parts"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const auto checked = check_jwt_svid(row.token, rules, now);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Code::denied);
    CHECK(checked.error().what.find(row.said) != std::string::npos);
    CHECK(checked.error().what.find("evil") == std::string::npos);
  }
}

TEST_CASE("spiffe id: one spelling") {
  for (const char* good : {"spiffe://example.org", "spiffe://example.org/sandbox/a",
                           "spiffe://td_1-a/A.b-c_D/9", "spiffe://td/..."}) {
    CAPTURE(good);
    const auto id = parse_spiffe_id(good);
    REQUIRE(id.has_value());
    CHECK(id->text() == good);
  }
  for (const char* bad :
       {"", "spiffe://", "spiffe:///x", "https://example.org/x", "SPIFFE://example.org/x",
        "spiffe://Example.org/x", "spiffe://example.org:8080/x", "spiffe://u@example.org/x",
        "spiffe://example.org/", "spiffe://example.org//x", "spiffe://example.org/x/",
        "spiffe://example.org/./x", "spiffe://example.org/../x", "spiffe://example.org/x?q",
        "spiffe://example.org/x#f", "spiffe://example.org/%61", "spiffe://example.org/ä"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_spiffe_id(bad).has_value());
  }
  CHECK_FALSE(parse_spiffe_id("spiffe://td/" + std::string(2048, 'a')).has_value());
  CHECK_FALSE(parse_spiffe_id("spiffe://" + std::string(256, 'a')).has_value());
}
