// What a profile's token grants are refused for, line by line.
#include "gateway/rpc/grant_lint.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/rpc/grants.hpp"
#include "identity/rpc/grant_wire.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace v1 = openshell::v1;

namespace {

v1::ProviderProfile granted() {
  v1::ProviderProfile profile;
  profile.set_id("alpha");
  auto& credential = *profile.add_credentials();
  credential.set_name("token");
  credential.mutable_token_grant()->set_token_endpoint("https://login.example/token");
  credential.mutable_token_grant()->set_audience("alpha");
  auto& endpoint = *profile.add_endpoints();
  endpoint.set_host("alpha.example");
  endpoint.set_port(443);
  return profile;
}

v1::ProviderProfileCredential& credential_of(v1::ProviderProfile& profile) {
  return *profile.mutable_credentials(0);
}
v1::ProviderCredentialTokenGrant& grant_of(v1::ProviderProfile& profile) {
  return *credential_of(profile).mutable_token_grant();
}
v1::ProviderCredentialTokenGrantAudienceOverride& override_in(v1::ProviderProfile& profile) {
  auto& each = *grant_of(profile).add_audience_overrides();
  each.set_audience("other");
  return each;
}

// FIELD: MESSAGE of each.
std::vector<std::string> problems_of(const v1::ProviderProfile& profile) {
  std::vector<std::string> found;
  lint_grants(profile, [&](const auto& field, const auto& message) {
    CHECK_FALSE(message.empty());
    found.push_back(field + ": " + message);
  });
  return found;
}

using Change = void (*)(v1::ProviderProfile&);
using Profile = v1::ProviderProfile;

void make_keys(Profile& profile) {
  auto& grant = grant_of(profile);
  grant.Clear();
  grant.set_grant_type("aws_web_identity");
  grant.mutable_aws()->set_region("eu-central-1");
  grant.mutable_aws()->add_roles()->set_role_arn("arn:aws:iam::1:role/r");
  profile.mutable_endpoints(0)->set_credential_signing("sigv4");
}

}  // namespace

TEST_CASE("grant lint: what is served") {
  const struct {
    const char* what;
    Change change;
  } cases[] = {
      {"client_credentials", [](Profile&) {}},
      {"bearer", [](Profile& p) { credential_of(p).set_auth_style("bearer"); }},
      {"a header of its own",
       [](Profile& p) {
         credential_of(p).set_auth_style("header");
         credential_of(p).set_header_name("X-Alpha-Token");
       }},
      {"jwt-spiffe",
       [](Profile& p) {
         grant_of(p).set_client_assertion_type(
             "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe");
       }},
      {"jwt_bearer", [](Profile& p) { grant_of(p).set_grant_type("jwt_bearer"); }},
      {"token_exchange",
       [](Profile& p) {
         grant_of(p).set_grant_type("token_exchange");
         grant_of(p).set_requested_token_type("urn:ietf:params:oauth:token-type:jwt");
       }},
      {"raw_svid",
       [](Profile& p) {
         grant_of(p).set_grant_type("raw_svid");
         grant_of(p).clear_token_endpoint();
       }},
      {"keys of AWS", make_keys},
      {"keys of AWS by further roles at another STS",
       [](Profile& p) {
         make_keys(p);
         grant_of(p).set_token_endpoint("https://sts.example");
         grant_of(p).mutable_aws()->clear_region();
         auto& role = *grant_of(p).mutable_aws()->add_roles();
         role.set_role_arn("arn:aws:iam::2:role/r");
         role.set_session_name("me");
         role.set_external_id("outside");
         role.set_duration_seconds(900);
       }},
      {"an issuer",
       [](Profile& p) {
         grant_of(p).set_issuer("https://login.example");
         grant_of(p).clear_token_endpoint();
       }},
      {"a certificate",
       [](Profile& p) {
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_client_id("alpha-client");
       }},
      {"a certificate beside a JWT-SVID",
       [](Profile& p) {
         grant_of(p).set_grant_type("token_exchange");
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_jwt_svid_audience("https://login.example");
       }},
      {"http on this machine",
       [](Profile& p) {
         grant_of(p).set_token_endpoint("http://127.0.0.1:8080/token");
         grant_of(p).set_http_token_endpoint("loopback");
       }},
      {"http in the cluster",
       [](Profile& p) {
         grant_of(p).set_token_endpoint("http://login.sso.svc.cluster.local/token");
         grant_of(p).set_http_token_endpoint("cluster");
       }},
      {"an endpoint in clear text in the cluster",
       [](Profile& p) {
         p.mutable_endpoints(0)->set_host("alpha.team.svc");
         p.mutable_endpoints(0)->set_port(80);
         grant_of(p).set_cleartext_endpoints("cluster");
       }},
      {"overrides within the endpoint",
       [](Profile& p) {
         p.mutable_endpoints(0)->set_host("*.alpha.example");
         override_in(p).set_host("a.alpha.example");
         override_in(p).set_path("/v1/**");
       }},
      {"a second one under another header",
       [](Profile& p) {
         *p.add_credentials() = p.credentials(0);
         p.mutable_credentials(1)->set_name("other");
         p.mutable_credentials(1)->set_auth_style("header");
         p.mutable_credentials(1)->set_header_name("x-other");
       }},
      {"no grant at all",
       [](Profile& p) {
         credential_of(p).clear_token_grant();
         credential_of(p).add_env_vars("ALPHA_KEY");
         p.mutable_endpoints(0)->set_tls("skip");
         p.mutable_endpoints(0)->set_port(80);
       }},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    Profile profile = granted();
    c.change(profile);
    const auto found = problems_of(profile);
    CHECK_MESSAGE(found.empty(), (found.empty() ? "" : found.front()));
  }
}

TEST_CASE("grant lint: what is refused, and where") {
  const std::string credential = "credentials.token", grant = credential + ".token_grant";
  const struct {
    std::string field;
    Change change;
  } cases[] = {
      {credential + ".env_vars", [](Profile& p) { credential_of(p).add_env_vars("ALPHA_KEY"); }},
      {credential + ".refresh",
       [](Profile& p) {
         credential_of(p).mutable_refresh()->set_strategy(
             v1::PROVIDER_CREDENTIAL_REFRESH_STRATEGY_STATIC);
       }},
      {grant, [](Profile& p) { p.clear_endpoints(); }},
      {credential + ".auth_style", [](Profile& p) { credential_of(p).set_auth_style("query"); }},
      {credential + ".header_name", [](Profile& p) { credential_of(p).set_auth_style("header"); }},
      {credential + ".header_name",
       [](Profile& p) {
         credential_of(p).set_auth_style("header");
         credential_of(p).set_header_name("Transfer_Encoding");
       }},
      {grant, [](Profile& p) { grant_of(p).set_grant_type("password"); }},
      {grant, [](Profile& p) { grant_of(p).set_client_assertion_type("jwt"); }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_grant_type("jwt_bearer");
         grant_of(p).set_client_assertion_type(
             "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe");
       }},
      {grant, [](Profile& p) { grant_of(p).set_client_auth("private_key_jwt"); }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_client_assertion_type(
             "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe");
       }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_jwt_svid_audience("https://login.example");
       }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_token_endpoint("http://127.0.0.1:8080/token");
         grant_of(p).set_http_token_endpoint("loopback");
       }},
      {grant,
       [](Profile& p) {
         grant_of(p).set_client_auth("tls_client_auth");
         grant_of(p).set_grant_type("raw_svid");
         grant_of(p).clear_token_endpoint();
       }},
      {grant, [](Profile& p) { grant_of(p).clear_token_endpoint(); }},
      {grant, [](Profile& p) { grant_of(p).set_grant_type("raw_svid"); }},
      {grant, [](Profile& p) { grant_of(p).set_requested_token_type("jwt"); }},
      {grant, [](Profile& p) { grant_of(p).add_scopes("two words"); }},
      {grant, [](Profile& p) { grant_of(p).set_audience("a\nb"); }},
      {grant, [](Profile& p) { grant_of(p).add_resources("https://alpha.example/#part"); }},
      {grant, [](Profile& p) { grant_of(p).set_cache_ttl_seconds(-1); }},
      {"endpoints",
       [](Profile& p) {
         make_keys(p);
         p.mutable_endpoints(0)->clear_credential_signing();
       }},
      {grant,
       [](Profile& p) {
         make_keys(p);
         grant_of(p).mutable_aws()->clear_roles();
       }},
      {grant,
       [](Profile& p) {
         make_keys(p);
         grant_of(p).mutable_aws()->mutable_roles(0)->set_duration_seconds(1);
       }},
      {grant,
       [](Profile& p) {
         make_keys(p);
         credential_of(p).set_auth_style("header");
         credential_of(p).set_header_name("x-keys");
       }},
      {grant + ".token_endpoint",
       [](Profile& p) {
         make_keys(p);
         grant_of(p).set_token_endpoint("http://sts.example");
       }},
      {grant, [](Profile& p) { grant_of(p).mutable_aws()->set_region("eu-central-1"); }},
      {grant + ".token_endpoint",
       [](Profile& p) { grant_of(p).set_token_endpoint("http://login.example/token"); }},
      {grant + ".token_endpoint",
       [](Profile& p) { grant_of(p).set_token_endpoint("http://127.0.0.1/token"); }},
      {grant + ".token_endpoint",
       [](Profile& p) { grant_of(p).set_token_endpoint("http://login.sso.svc/token"); }},
      {grant + ".token_endpoint",
       [](Profile& p) {
         grant_of(p).set_token_endpoint("http://login.example/token");
         grant_of(p).set_http_token_endpoint("cluster");
       }},
      {grant + ".token_endpoint",
       [](Profile& p) { grant_of(p).set_token_endpoint("https://user@login.example/token"); }},
      {grant + ".issuer",
       [](Profile& p) {
         grant_of(p).set_issuer("http://login.example");
         grant_of(p).clear_token_endpoint();
       }},
      {grant + ".http_token_endpoint",
       [](Profile& p) { grant_of(p).set_http_token_endpoint("yes"); }},
      {grant + ".cleartext_endpoints",
       [](Profile& p) { grant_of(p).set_cleartext_endpoints("yes"); }},
      {grant + ".cleartext_endpoints",
       [](Profile& p) {
         p.mutable_endpoints(0)->set_host("127.0.0.1");
         grant_of(p).set_cleartext_endpoints("loopback");
       }},
      {"endpoints", [](Profile& p) { p.mutable_endpoints(0)->set_port(80); }},
      {"endpoints", [](Profile& p) { p.mutable_endpoints(0)->add_ports(80); }},
      {"endpoints", [](Profile& p) { grant_of(p).set_cleartext_endpoints("cluster"); }},
      {"endpoints", [](Profile& p) { p.mutable_endpoints(0)->set_tls("skip"); }},
      {"endpoints", [](Profile& p) { p.mutable_endpoints(0)->set_protocol("tcp"); }},
      {"endpoints", [](Profile& p) { p.mutable_endpoints(0)->set_credential_signing("sigv4"); }},
      {grant + ".audience_overrides", [](Profile& p) { override_in(p).set_host("beta.example"); }},
      {grant + ".audience_overrides",
       [](Profile& p) { override_in(p).set_host("*.alpha.example"); }},  // wider than the endpoint
      {grant + ".audience_overrides", [](Profile& p) { override_in(p).set_port(65'536 + 443); }},
      {grant + ".audience_overrides", [](Profile& p) { override_in(p).set_path("/v1\t/**"); }},
      {grant + ".audience_overrides",
       [](Profile& p) {
         override_in(p).set_path("/v1/*");
         override_in(p).set_path("/v1/*");
       }},
      {grant + ".audience_overrides",
       [](Profile& p) {
         override_in(p).set_path("/*/ab");
         override_in(p).set_path("/*/?b");
       }},
      {"credentials", [](Profile& p) {
         *p.add_credentials() = p.credentials(0);
         p.mutable_credentials(1)->set_name("other");
       }}};
  for (const auto& c : cases) {
    Profile profile = granted();
    c.change(profile);
    CAPTURE(profile.ShortDebugString());
    const auto found = problems_of(profile);
    std::string all;
    for (const std::string& each : found) all += each + "\n";
    CAPTURE(all);
    CHECK(std::any_of(found.begin(), found.end(),
                      [&](const auto& each) { return each.starts_with(c.field + ": "); }));
  }
}

TEST_CASE("grant lint: no header that frames, routes or marks a request") {
  for (const char* name : {"Host",
                           "content-length",
                           "Transfer-Encoding",
                           "connection",
                           "TE",
                           "trailer",
                           "upgrade",
                           "keep-alive",
                           "proxy-authorization",
                           "proxy-connection",
                           "expect",
                           "cookie",
                           "forwarded",
                           "x-forwarded-for",
                           "x-amz-security-token",
                           ":authority",
                           "a b",
                           "a:",
                           "",
                           "x\r\ny"}) {
    CAPTURE(name);
    Profile profile = granted();
    credential_of(profile).set_auth_style("header");
    credential_of(profile).set_header_name(name);
    CHECK_FALSE(problems_of(profile).empty());
  }
}

TEST_CASE("grant lint: all that is wrong is said at once, and the rest only when it is right") {
  Profile profile = granted();
  credential_of(profile).add_env_vars("ALPHA_KEY");
  credential_of(profile).set_auth_style("query");
  grant_of(profile).set_token_endpoint("http://login.example/token");
  profile.mutable_endpoints(0)->set_tls("skip");
  *profile.add_credentials() = profile.credentials(0);
  profile.mutable_credentials(1)->set_name("other");
  CHECK(problems_of(profile).size() == 7);  // three of each, and the endpoint
}

TEST_CASE("grant lint: a profile cannot ask for more bindings than a supervisor should hold") {
  Profile profile = granted();
  for (std::uint32_t port = 1000; port < 1400; ++port)
    profile.mutable_endpoints(0)->add_ports(port);
  auto found = problems_of(profile);
  REQUIRE(found.size() == 1);
  CHECK(found.front().find("256") != std::string::npos);
  profile.mutable_endpoints(0)->mutable_ports()->Truncate(200);
  for (int i = 0; i < 30; ++i) grant_of(profile).add_scopes(std::string(100, 'x'));
  found = problems_of(profile);
  REQUIRE(found.size() == 1);
  CHECK(found.front().find("262144") != std::string::npos);
  for (int i = 0; i < 10; ++i) override_in(profile).set_path("/" + std::to_string(i));
  found = problems_of(profile);
  REQUIRE(found.size() == 1);
  CHECK(found.front().find("1024") != std::string::npos);
}

TEST_CASE("grants: a raw JWT-SVID is for the audience of its endpoint, and of each override") {
  Profile profile = granted();
  profile.mutable_endpoints(0)->set_host("*.alpha.example");
  grant_of(profile).set_grant_type("raw_svid");
  grant_of(profile).clear_token_endpoint();
  override_in(profile).set_host("a.alpha.example");
  const auto grants = grants_of("one", profile);
  REQUIRE(grants);
  REQUIRE(grants->size() == 2);
  for (const BoundGrant& each : *grants) {
    const auto binding = identity::read_wire_binding(identity::write_wire_key(each.key),
                                                     wire::from_wire(each.credential));
    REQUIRE(binding);
    CHECK(binding->identity == "one:token");
    CHECK(binding->grant.kind == identity::GrantKind::raw_svid);
    CHECK(binding->grant.audience.empty());
    CHECK(binding->grant.svid_audience ==
          (binding->where.host == "a.alpha.example" ? "other" : "alpha"));
  }
}
