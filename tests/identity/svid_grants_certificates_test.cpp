// Grants whose client proves itself by an X.509-SVID.
#include "tests/identity/svid_grants.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace keyward::identity::tests;

TEST_CASE_FIXTURE(Fixture, "svid grants: a certificate in place of a JWT-SVID") {
  binding.grant.client_auth = ClientAuth::tls;
  binding.grant.svid_audience.clear();
  CHECK(ask() == "Bearer token1");
  CHECK(agent.asked == 0);
  CHECK(endpoint.presented == std::vector<std::string>{"certificate-one/key-one"});
  CHECK(endpoint.forms[0] ==
        "grant_type=client_credentials&client_id=spiffe%3A%2F%2Fexample.org%2Fa");
  certificates.set(FakeCertificates::svid("two"));
  binding.grant.scopes = {"other"};
  CHECK(ask() == "Bearer token2");
  CHECK(endpoint.presented.back() == "certificate-two/key-two");
  binding.grant.kind = GrantKind::token_exchange;
  binding.grant.svid_audience = "https://as.example";
  CHECK(ask() == "Bearer token3");
  CHECK(endpoint.presented.back() == "certificate-two/key-two");
  CHECK(has(endpoint.forms.back(), "subject_token=svid-for-as.example"));
}

TEST_CASE_FIXTURE(Fixture, "svid grants: a refused certificate is tried anew only as another one") {
  binding.grant.client_auth = ClientAuth::tls;
  binding.grant.svid_audience.clear();
  endpoint.answer = [this](int number) {
    if (number == 2) certificates.set(FakeCertificates::svid("two"));
    if (number <= 2) return FakeEndpoint::Answer(refused(Code::unauthenticated, "invalid_client"));
    return FakeEndpoint::Answer(GrantedToken{Secret("token"), 600s, ""});
  };
  CHECK(has(ask(), "tls_client_auth"));
  CHECK(endpoint.asked == 1);
  binding.grant.scopes = {"other"};
  CHECK(ask() == "Bearer token");
  CHECK(endpoint.presented.back() == "certificate-two/key-two");
}

TEST_CASE_FIXTURE(Fixture, "svid grants: without a certificate nobody is asked") {
  binding.grant.client_auth = ClientAuth::tls;
  binding.grant.svid_audience.clear();
  certificates.set(tl::unexpected(Error{Code::not_found, "no entry"}));
  CHECK(has(ask(), "no entry"));
  CHECK(endpoint.asked == 0);
}
