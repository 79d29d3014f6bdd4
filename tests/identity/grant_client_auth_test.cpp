// Clients that prove themselves by a certificate: what is posted, and what is refused.
#include <doctest/doctest.h>

#include <functional>

#include "identity/grant/diagnosis.hpp"
#include "identity/grant/request.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

Grant certified(GrantKind kind = GrantKind::client_credentials) {
  Grant grant;
  grant.kind = kind;
  grant.client_auth = ClientAuth::tls;
  grant.token_endpoint = "https://as.example/token";
  if (uses_jwt(grant)) grant.svid_audience = "https://as.example";
  return grant;
}

std::string form_of(const Grant& grant, std::string_view client) {
  const Secret svid(uses_jwt(grant) ? "a.b-_.c" : "");
  const auto form = grant_form(grant, {svid, nullptr, client});
  return form ? std::string(form->reveal()) : form.error().what;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("client auth: a client with a certificate is named, and asserts nothing") {
  Grant grant = certified();
  grant.scopes = {"read"};
  CHECK(form_of(grant, "spiffe://x/y") ==
        "grant_type=client_credentials&client_id=spiffe%3A%2F%2Fx%2Fy&scope=read");
  CHECK(has(form_of(grant, ""), "no client"));
  grant.client_id = "alpha";
  CHECK(form_of(grant, "spiffe://x/y") ==
        "grant_type=client_credentials&client_id=alpha&scope=read");
  CHECK(form_of(certified(GrantKind::token_exchange), "spiffe://x/y") ==
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"
        "subject_token=a.b-_.c&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&"
        "client_id=spiffe%3A%2F%2Fx%2Fy");
  CHECK(form_of(certified(GrantKind::jwt_bearer), "spiffe://x/y") ==
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b-_.c&"
        "client_id=spiffe%3A%2F%2Fx%2Fy");
}

TEST_CASE("client auth: what is read") {
  CHECK(read_client_auth("").value() == ClientAuth::of_kind);
  CHECK(read_client_auth("tls_client_auth").value() == ClientAuth::tls);
  CHECK(read_client_auth("self_signed_tls_client_auth").error().code == Code::unsupported);
}

TEST_CASE("client auth: what goes with a certificate, and what does not") {
  for (const GrantKind kind :
       {GrantKind::client_credentials, GrantKind::jwt_bearer, GrantKind::token_exchange})
    CHECK(check_grant(certified(kind)).has_value());
  const struct {
    const char* field;
    std::function<void(Grant&)> change;
  } rows[] = {{"jwt_svid_audience", [](Grant& g) { g.svid_audience = "https://as.example"; }},
              {"client_auth", [](Grant& g) { g.token_endpoint = "http://127.0.0.1/token"; }},
              {"client_auth",
               [](Grant& g) {
                 g.issuer = "http://127.0.0.1";
                 g.token_endpoint.clear();
               }},
              {"client_auth",
               [](Grant& g) {
                 g = certified(GrantKind::token_exchange);
                 g.svid_role = SvidRole::client;
               }},
              {"client_auth", [](Grant& g) {
                 g = certified(GrantKind::raw_svid);
                 g.token_endpoint.clear();
               }}};
  for (const auto& row : rows) {
    CAPTURE(row.field);
    Grant grant = certified();
    row.change(grant);
    const auto checked = check_grant(grant);
    REQUIRE_FALSE(checked.has_value());
    CHECK(has(checked.error().what, row.field));
  }
}

TEST_CASE("client auth: is another grant, and without a JWT-SVID to use elsewhere") {
  Grant grant = certified(), asserting = certified();
  asserting.client_auth = ClientAuth::of_kind;
  CHECK(cache_key(grant) != cache_key(asserting));
  Grant other = grant;
  other.token_endpoint = "https://other.example/token";
  CHECK(check_audiences_apart({&grant, &other}).has_value());
  Grant exchange = certified(GrantKind::token_exchange), elsewhere = exchange;
  elsewhere.token_endpoint = "https://other.example/token";
  CHECK_FALSE(check_audiences_apart({&exchange, &elsewhere}).has_value());
}

TEST_CASE("client auth: a refusal is explained") {
  const TimePoint now{std::chrono::seconds(1'800'000'000)};
  CHECK(has(diagnose_refusal(certified(), {}, "invalid_client", now), "tls_client_auth_san_uri"));
}
