// Where a token endpoint may be, and where an issuer's metadata says that it is.
#include "identity/grant/transport.hpp"

#include <doctest/doctest.h>

#include "identity/grant/metadata.hpp"

using namespace keyward;
using namespace keyward::identity;

TEST_CASE("token endpoint: https, or what the rules open") {
  const TransportRules closed;
  TransportRules open;
  open.loopback = open.cluster_cleartext = true;
  struct Row {
    const char* url;
    bool taken, taken_open;
  };
  for (const Row& row : {Row{"https://as.example/token", true, true},
                         Row{"https://as.example:8443/token?x=1", true, true},
                         Row{"https://10.0.0.1/token", true, true},
                         Row{"http://as.example/token", false, false},
                         Row{"http://10.0.0.1/token", false, false},
                         Row{"https://127.0.0.1/token", false, true},
                         Row{"http://127.9.9.9:1/token", false, true},
                         Row{"http://[::1]:1/token", false, true},
                         Row{"http://localhost/token", false, true},
                         Row{"http://keycloak.auth.svc/token", false, true},
                         Row{"http://keycloak.auth.svc.cluster.local/token", false, true},
                         Row{"https://keycloak.auth.svc/token", true, true},
                         Row{"http://a.keycloak.auth.svc/token", false, false},
                         Row{"http://auth.svc/token", false, false},
                         Row{"https://as.example./token", false, false},
                         Row{"https://127.1/token", false, false},
                         Row{"https://2130706433/token", false, false},
                         Row{"https://0x7f.0.0.0x1/token", false, false},
                         Row{"https://0177.0.0.1/token", false, false},
                         Row{"https://u:p@as.example/token", false, false},
                         Row{"https://as.example/token#f", false, false},
                         Row{"file:///etc/passwd", false, false}}) {
    CAPTURE(row.url);
    CHECK(check_token_url(row.url, closed).has_value() == row.taken);
    CHECK(check_token_url(row.url, open).has_value() == row.taken_open);
  }
  CHECK(check_token_url("http://localhost:81/t", open)->host == "127.0.0.1");
}

TEST_CASE("token endpoint: addresses that a name turns out to have") {
  TransportRules rules;
  rules.allowed = {netproxy::parse_range("10.1.0.0/16").value()};
  rules.own = {netproxy::parse_address("192.0.2.9").value()};
  const auto dials = [&](const char* address, const char* url) {
    return check_token_address(netproxy::parse_address(address).value(), parse_url(url).value(),
                               rules)
        .has_value();
  };
  CHECK(dials("93.184.216.34", "https://as.example/"));
  CHECK(dials("10.1.2.3", "https://as.example/"));
  for (const char* closed :
       {"10.2.0.1", "127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "192.0.2.9"}) {
    CAPTURE(closed);
    CHECK_FALSE(dials(closed, "https://as.example/"));
  }
  CHECK(dials("10.1.2.3", "http://a.b.svc/"));
  for (const char* outside : {"93.184.216.34", "2606:2800:220:1::1", "10.2.0.1", "127.0.0.1"}) {
    CAPTURE(outside);
    CHECK_FALSE(dials(outside, "http://a.b.svc/"));
  }
  CHECK(dials("93.184.216.34", "https://a.b.svc/"));
  CHECK(dials("127.0.0.1", "http://127.0.0.1:9/"));
  CHECK(dials("::1", "http://[::1]:9/"));
  CHECK_FALSE(dials("127.0.0.2", "http://127.0.0.1:9/"));
  CHECK_FALSE(dials("93.184.216.34", "http://127.0.0.1:9/"));
}

TEST_CASE("server metadata: of the issuer that was asked, and no other") {
  CHECK(metadata_urls("https://as.example").value() ==
        std::vector<std::string>{"https://as.example:443/.well-known/oauth-authorization-server",
                                 "https://as.example:443/.well-known/openid-configuration"});
  CHECK(metadata_urls("https://as.example:8443/realms/a/").value() ==
        std::vector<std::string>{
            "https://as.example:8443/.well-known/oauth-authorization-server/realms/a",
            "https://as.example:8443/realms/a/.well-known/openid-configuration"});
  CHECK_FALSE(metadata_urls("https://as.example/?x").has_value());
  const std::string issuer = "https://as.example/a";
  const auto plain = parse_server_metadata(
      R"({"issuer":"https://as.example/a","token_endpoint":"https://as.example/t"})", issuer);
  CHECK(plain.value().token_endpoint == "https://as.example/t");
  CHECK(plain->tls_token_endpoint == plain->token_endpoint);
  const auto aliased = [&](const std::string& alias) {
    return parse_server_metadata(
        R"({"issuer":"https://as.example/a","token_endpoint":"https://as.example/t",)"
        R"("mtls_endpoint_aliases":)" +
            alias + "}",
        issuer);
  };
  CHECK(aliased(R"({"token_endpoint":"https://tls.as.example/t"})").value().tls_token_endpoint ==
        "https://tls.as.example/t");
  CHECK(aliased(R"({"token_endpoint":"https://tls.as.example/t"})")->token_endpoint ==
        "https://as.example/t");
  CHECK(aliased("{}")->tls_token_endpoint == "https://as.example/t");
  for (const char* bad : {R"("https://evil/t")", R"({"token_endpoint":"evil"})",
                          R"({"token_endpoint":["https://evil/t"]})"})
    CHECK_FALSE(aliased(bad).has_value());
  for (
      const char* bad :
      {"", "[]", "{}", R"({"issuer":"https://as.example/a"})",
       R"({"issuer":"https://as.example/b","token_endpoint":"https://evil/t"})",
       R"({"issuer":"https://as.example/a/","token_endpoint":"https://evil/t"})",
       R"({"issuer":"https://as.example/a","token_endpoint":"evil"})",
       R"({"issuer":"https://as.example/a","issuer":"https://as.example/a","token_endpoint":"https://evil/t"})",
       R"({"issuer":["https://as.example/a"],"token_endpoint":"https://evil/t"})"}) {
    CAPTURE(bad);
    const auto read = parse_server_metadata(bad, issuer);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().what.find("evil") == std::string::npos);
  }
}
