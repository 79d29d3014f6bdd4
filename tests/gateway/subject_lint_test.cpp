// What a profile is refused for whose token grant has a user as its subject.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/rpc/grant_lint.hpp"
#include "gateway/rpc/grants.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace v1 = openshell::v1;
using Profile = v1::ProviderProfile;
using Change = void (*)(Profile&);

namespace {

constexpr const char* jwt_spiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

// The credential `token` is exchanged for what `user` is.
Profile exchanging() {
  Profile profile;
  profile.set_id("alpha");
  auto& token = *profile.add_credentials();
  token.set_name("token");
  token.mutable_token_grant()->set_token_endpoint("https://login.example/token");
  token.mutable_token_grant()->set_grant_type("token_exchange");
  token.mutable_token_grant()->set_subject_credential("user");
  auto& user = *profile.add_credentials();
  user.set_name("user");
  user.add_env_vars("USER_TOKEN");
  auto& endpoint = *profile.add_endpoints();
  endpoint.set_host("alpha.example");
  endpoint.set_port(443);
  return profile;
}

v1::ProviderCredentialTokenGrant& grant_of(Profile& profile) {
  return *profile.mutable_credentials(0)->mutable_token_grant();
}

std::vector<std::string> fields_of(const Profile& profile) {
  std::vector<std::string> fields;
  lint_grants(profile, [&](const auto& field, const auto& message) {
    CHECK_FALSE(message.empty());
    fields.push_back(field);
  });
  return fields;
}

}  // namespace

TEST_CASE("subject lint: what is served") {
  for (const Change change : std::initializer_list<Change>{
           [](Profile&) {}, [](Profile& p) { grant_of(p).set_svid_role("actor"); },
           [](Profile& p) {
             grant_of(p).set_svid_role("client");
             grant_of(p).set_client_assertion_type(jwt_spiffe);
           },
           [](Profile& p) { grant_of(p).set_client_auth("tls_client_auth"); }}) {
    Profile profile = exchanging();
    change(profile);
    CHECK(fields_of(profile) == std::vector<std::string>());
    CHECK(subject_variables(profile) == std::set<std::string>{"USER_TOKEN"});
  }
}

TEST_CASE("subject lint: what is refused, and where") {
  const std::string grant = "credentials.token.token_grant";
  const struct {
    std::string field;
    Change change;
  } cases[] = {
      {grant + ".subject_credential",
       [](Profile& p) { grant_of(p).set_subject_credential("nobody"); }},
      {grant + ".subject_credential",  // is granted itself
       [](Profile& p) { grant_of(p).set_subject_credential("token"); }},
      {grant + ".subject_credential",  // is stored twice
       [](Profile& p) { p.mutable_credentials(1)->add_env_vars("ANOTHER"); }},
      {grant + ".subject_version", [](Profile& p) { grant_of(p).set_subject_version("1"); }},
      {grant, [](Profile& p) { grant_of(p).set_svid_role("subject"); }},
      {grant, [](Profile& p) { grant_of(p).set_grant_type("jwt_bearer"); }},
      {grant, [](Profile& p) { grant_of(p).set_grant_type("client_credentials"); }},
      {grant, [](Profile& p) { grant_of(p).clear_grant_type(); }},
      {grant,
       [](Profile& p) {
         grant_of(p).clear_subject_credential();
         grant_of(p).set_svid_role("actor");
       }},
      {grant,  // no assertion is sent
       [](Profile& p) { grant_of(p).set_client_assertion_type(jwt_spiffe); }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_svid_role("client");
         grant_of(p).set_client_auth("tls_client_auth");
       }},
  };
  for (const auto& c : cases) {
    CAPTURE(c.field);
    Profile profile = exchanging();
    c.change(profile);
    CHECK(fields_of(profile) == std::vector<std::string>{c.field});
  }
}
