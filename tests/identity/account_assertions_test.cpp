// A pod's ServiceAccount token in place of a JWT-SVID: what of it is believed, where it comes from,
// and which grants may have it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "identity/grant/diagnosis.hpp"
#include "identity/grant/wire_binding.hpp"
#include "identity/oauth/assertion_files.hpp"
#include "svid_grants.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace keyward::identity::tests;
using nlohmann::json;

namespace {

constexpr const char* key = "api.example\t443\t\tp:token";
const std::string audience = "https://as.example", account = "system:serviceaccount:boxes:sandbox";

WireCredential wire() {
  WireCredential credential;
  credential.token_endpoint = "https://as.example/token";
  credential.svid_audience = audience;
  credential.assertion = "service_account";
  return credential;
}

std::int64_t seconds_of(TimePoint time) { return time.time_since_epoch().count() / 1000; }

// As Kubernetes makes them, but for the signature.
json claims_at(TimePoint now) {
  return {{"iss", "https://kubernetes.default.svc"},
          {"sub", account},
          {"aud", json::array({audience})},
          {"iat", seconds_of(now)},
          {"nbf", seconds_of(now)},
          {"exp", seconds_of(now) + 3600},
          {"kubernetes.io", {{"namespace", "boxes"}, {"pod", {{"name", "a"}, {"uid", "1"}}}}}};
}
std::string token_of(const json& claims, const json& header = {{"alg", "RS256"}, {"kid", "k"}}) {
  return base64url(header.dump()) + "." + base64url(claims.dump()) + "." + base64url("signature");
}

// The volume of a pod: `..data` leads to the current one.
struct Volume {
  keyward::tests::TestDirectory directory;
  int versions = 0;
  const std::string path = directory / "token";
  Volume() { std::filesystem::create_symlink("..data/token", path); }
  void put(const std::string& text) {
    const std::string version = "..version-" + std::to_string(++versions);
    std::filesystem::create_directory(directory / version);
    std::ofstream(directory / version + "/token") << text;
    std::filesystem::create_symlink(version, directory / "..data_tmp");
    std::filesystem::rename(directory / "..data_tmp", directory / "..data");
  }
};

}  // namespace

TEST_CASE("account assertions: what is believed of a token") {
  const TimePoint now{std::chrono::seconds(1'800'000'000)};
  const json good = claims_at(now);
  const auto claims = check_service_account_token(token_of(good), audience, now);
  REQUIRE_MESSAGE(claims.has_value(), claims.error().what);
  CHECK(claims->spiffe_id == account);
  CHECK(claims->expires == now + 3600s);
  CHECK(claims->has_issuer);
  json one = good;
  one["aud"] = audience;
  CHECK(check_service_account_token(token_of(one), audience, now).has_value());

  const struct {
    const char* said;
    Code code;
    std::function<void(json&)> change;
  } cases[] = {
      {"has expired", Code::unavailable, [&](json& c) { c["exp"] = seconds_of(now); }},
      {"exp is missing", Code::denied, [](json& c) { c.erase("exp"); }},
      {"sub is missing", Code::denied, [](json& c) { c.erase("sub"); }},
      {"not the audience", Code::denied, [](json& c) { c["aud"] = json::array({"https://b"}); }},
      {"not the audience", Code::denied, [](json& c) { c.erase("aud"); }},
      {"more members", Code::denied, [](json& c) { c["aud"].push_back("https://b"); }},
      {"in the future", Code::denied, [&](json& c) { c["nbf"] = seconds_of(now) + 61; }},
      {"in the future", Code::denied, [&](json& c) { c["iat"] = seconds_of(now) + 61; }}};
  for (const auto& c : cases) {
    CAPTURE(c.said);
    json changed = good;
    c.change(changed);
    const auto refused = check_service_account_token(token_of(changed), audience, now);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == c.code);
    CHECK(has(refused.error().what, c.said));
  }
  for (const std::string& text :
       {std::string(), std::string("opaque"), token_of(good, {{"alg", "none"}}),
        token_of(good, {{"alg", "HS256"}}), token_of(good).substr(0, 40)})
    CHECK_FALSE(check_service_account_token(text, audience, now).has_value());
}

TEST_CASE("account assertions: the file is read anew each time") {
  const SystemClock clock;
  Volume volume;
  AssertionFiles files({{audience, volume.path}}, clock);
  CHECK(files.assertion_for("https://b").error().code == Code::precondition);
  CHECK(files.assertion_for(audience).error().code == Code::unavailable);  // nothing there
  volume.put("\n");
  CHECK(files.assertion_for(audience).error().code == Code::unavailable);
  json claims = claims_at(clock.now());
  for (const char* pod : {"a", "b"}) {
    claims["kubernetes.io"]["pod"]["name"] = pod;
    volume.put(token_of(claims) + "\n");
    const auto read = files.assertion_for(audience);
    REQUIRE_MESSAGE(read.has_value(), read.error().what);
    CHECK(read->token.reveal() == token_of(claims));
  }
  claims["exp"] = seconds_of(clock.now()) - 1;
  volume.put(token_of(claims));
  const auto ended = files.assertion_for(audience);
  CHECK(ended.error().code == Code::unavailable);
  CHECK(has(ended.error().what, "--grant-assertion-file https://as.example"));
  CHECK_FALSE(has(ended.error().what, token_of(claims).c_str()));
  volume.put(std::string(20'000, 'x'));
  CHECK_FALSE(files.assertion_for(audience).has_value());
}

TEST_CASE("account assertions: which grants may have one") {
  const auto plain = read_wire_binding(key, wire());
  REQUIRE_MESSAGE(plain.has_value(), plain.error().what);
  CHECK(plain->grant.assertion == AssertionSource::service_account);
  CHECK_FALSE(uses_agent(plain->grant));
  CHECK(is_extended(wire()));
  WireCredential grant = wire();
  grant.grant_type = "jwt_bearer";
  CHECK(read_wire_binding(key, grant).has_value());
  using Change = void (*)(WireCredential&);
  for (const Change change : std::initializer_list<Change>{
           [](WireCredential& w) { w.grant_type = "token_exchange"; },
           [](WireCredential& w) {
             w.grant_type = "token_exchange";
             w.subject_credential = "user";
           },
           [](WireCredential& w) { w.grant_type = "raw_svid", w.token_endpoint.clear(); },
           [](WireCredential& w) {
             w.client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
           },
           [](WireCredential& w) {
             w.client_auth = "tls_client_auth";
             w.svid_audience.clear();
           },
           [](WireCredential& w) { w.assertion = "file"; }}) {
    WireCredential changed = wire();
    change(changed);
    CHECK_FALSE(read_wire_binding(key, changed).has_value());
  }
  WireCredential of_agent = wire();
  of_agent.assertion.clear();
  CHECK(cache_key(read_wire_binding(key, of_agent)->grant) != cache_key(plain->grant));

  // One token goes to one server; a JWT-SVID for the same audience is another token.
  WireCredential elsewhere = wire();
  elsewhere.token_endpoint = "https://b.example/token";
  const Grant here = plain->grant, there = read_wire_binding(key, elsewhere)->grant;
  CHECK_FALSE(check_audiences_apart({&here, &there}).has_value());
  elsewhere.assertion.clear();
  const Grant svid = read_wire_binding(key, elsewhere)->grant;
  CHECK(check_audiences_apart({&here, &svid}).has_value());
}

TEST_CASE_FIXTURE(Fixture, "account assertions: they are sent, and the agent is not asked") {
  Volume volume;
  AssertionFiles files({{audience, volume.path}}, wall);
  SvidGrants with_files({agent, endpoint, wall, clock, nullptr, nullptr, nullptr, nullptr, &files},
                        settings);
  const GrantBinding bound = read_wire_binding(key, wire()).value();
  CHECK(with_files.token_for(bound).error().code == Code::unavailable);
  CHECK(endpoint.asked == 0);
  const std::string token = token_of(claims_at(wall.now()));
  volume.put(token);
  clock.ahead = 10;
  const auto header = with_files.token_for(bound);
  REQUIRE_MESSAGE(header.has_value(), header.error().what);
  CHECK(has(endpoint.forms[0], "client-assertion-type%3Ajwt-bearer&client_assertion="));
  CHECK(has(endpoint.forms[0], token.c_str()));
  CHECK(agent.asked == 0);
  CHECK(has(made().token_for(bound).error().what, "nobody gives any"));
  const JwtSvidClaims claims = check_service_account_token(token, audience, wall.now()).value();
  for (const char* error : {"invalid_client", "invalid_grant"})
    CHECK(has(diagnose_refusal(bound.grant, claims, error, wall.now()), account.c_str()));
}
