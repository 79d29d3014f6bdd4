// Token exchanges whose subject is a user: what the wire says of them, and how long what they give
// is used.
#include <doctest/doctest.h>

#include "identity/grant/answer.hpp"
#include "identity/grant/diagnosis.hpp"
#include "identity/grant/wire_binding.hpp"
#include "svid_grants.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace keyward::identity::tests;

namespace {

constexpr const char* key = "api.example\t443\t\tp:token";

WireCredential wire() {
  WireCredential credential;
  credential.name = "token";
  credential.token_endpoint = "https://as.example/token";
  credential.svid_audience = "https://as.example";
  credential.grant_type = "token_exchange";
  credential.subject_credential = "user";
  credential.subject_version = "1";
  return credential;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Users final : SubjectTokens {
  std::atomic<int> asked{0};
  std::function<Result<SubjectToken>()> answer = [] {
    return SubjectToken{Secret("user"), std::nullopt};
  };
  Result<SubjectToken> subject_for(const Grant& grant) override {
    ++asked;
    CHECK(grant.subject.credential == "p:token");
    return answer();
  }
};

struct UserFixture : Fixture {
  Users users;
  SvidGrants grants{{agent, endpoint, wall, clock, &users}, settings};
  GrantBinding exchanging = read_wire_binding(key, wire()).value();
};

}  // namespace

TEST_CASE("subject grants: what the wire says") {
  const Grant actor = read_wire_binding(key, wire())->grant;
  CHECK(actor.svid_role == SvidRole::actor);
  CHECK(actor.subject.credential == "p:token");
  CHECK(actor.subject.version == "1");
  WireCredential named = wire();
  named.svid_role = "actor";
  CHECK(read_wire_binding(key, named)->grant == actor);
  WireCredential client = wire();
  client.svid_role = "client";
  client.client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
  CHECK(read_wire_binding(key, client)->grant.svid_role == SvidRole::client);
  CHECK(read_wire_binding(key, client)->grant.assertion_type == AssertionType::jwt_spiffe);
  for (const WireCredential& each : {wire(), client}) CHECK(is_extended(each));

  using Change = void (*)(WireCredential&);
  for (const Change change : std::initializer_list<Change>{
           [](WireCredential& w) { w.grant_type = "jwt_bearer"; },
           [](WireCredential& w) { w.grant_type.clear(); },
           [](WireCredential& w) { w.svid_role = "subject"; },
           [](WireCredential& w) { w.subject_credential.clear(), w.svid_role = "actor"; },
           [](WireCredential& w) { w.svid_role = "client", w.client_auth = "tls_client_auth"; },
           [](WireCredential& w) {
             w.client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
           }}) {
    WireCredential changed = wire();
    change(changed);
    CHECK_FALSE(read_wire_binding(key, changed).has_value());
  }
}

TEST_CASE("subject grants: no two users share a token") {
  const std::string first = cache_key(read_wire_binding(key, wire())->grant);
  WireCredential replaced = wire();
  replaced.subject_version = "2";
  CHECK(cache_key(read_wire_binding(key, replaced)->grant) != first);
  const auto other = read_wire_binding("api.example\t443\t\tq:token", wire());
  CHECK(cache_key(other->grant) != first);
  const auto elsewhere = read_wire_binding("b.example\t443\t\tp:token", wire());
  CHECK(cache_key(elsewhere->grant) == first);
}

TEST_CASE_FIXTURE(UserFixture, "subject grants: a token is used no longer than the user's lives") {
  CHECK(grants.token_for(exchanging)->value.reveal() == "Bearer token1");
  CHECK(contains(endpoint.forms[0], "subject_token=user&"));
  CHECK(contains(endpoint.forms[0], "&actor_token=svid-for-as.example&"));
  CHECK(users.asked == 1);
  exchanging.grant.subject.version = "2";
  users.answer = [&] { return SubjectToken{Secret("user"), wall.now() + 101s}; };
  CHECK(grants.token_for(exchanging)->value.reveal() == "Bearer token2");  // which lives 600 s
  clock.ahead = 60;
  CHECK(grants.token_for(exchanging)->value.reveal() == "Bearer token2");
  clock.ahead = 100;
  CHECK(grants.token_for(exchanging)->value.reveal() == "Bearer token3");
}

TEST_CASE_FIXTURE(UserFixture, "subject grants: without a user's token nothing is sent") {
  users.answer = [&] { return SubjectToken{Secret("user"), wall.now() - 1s}; };
  const auto ended = grants.token_for(exchanging);
  CHECK(ended.error().code == Code::unavailable);
  CHECK(contains(ended.error().what, "has ended"));
  exchanging.grant.subject.version = "2";
  users.answer = [] { return fail(Code::unavailable, "there is none"); };
  CHECK(contains(grants.token_for(exchanging).error().what, "there is none"));
  CHECK(endpoint.asked == 0);
  users.answer = [] { return SubjectToken{Secret("user"), std::nullopt}; };
  clock.ahead = 10;  // asked again soon: somebody may have brought one
  CHECK(grants.token_for(exchanging).has_value());
}

TEST_CASE("subject grants: a refusal points at the user's token") {
  const Grant grant = read_wire_binding(key, wire())->grant;
  for (const char* error : {"invalid_grant", "invalid_request"})
    CHECK(contains(diagnose_refusal(grant, {}, error, SystemClock().now()), "subject_credential"));
  CHECK_FALSE(expiry_of_jwt("opaque").has_value());
}
