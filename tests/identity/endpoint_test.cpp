#include "identity/rpc/endpoint.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::identity;

TEST_CASE("endpoint: accepted addresses") {
  struct Case {
    const char* url;
    bool tls;
    const char* target;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"https://gateway.example.com:17670", true, "dns:gateway.example.com:17670"},
           {"https://Gateway.example.com", true, "dns:gateway.example.com:443"},
           {"https://10.0.0.1:17670/", true, "ipv4:10.0.0.1:17670"},
           {"https://[fd00::1]:1", true, "ipv6:[fd00::1]:1"},
           {"http://127.0.0.1:17670", false, "ipv4:127.0.0.1:17670"},
           {"http://127.8.8.8:1", false, "ipv4:127.8.8.8:1"},
           {"http://[::1]:1", false, "ipv6:[::1]:1"},
           {"http://localhost:1", false, "ipv4:127.0.0.1:1"}}) {
    CAPTURE(c.url);
    const auto target = gateway_target({c.url, "ca", "", "", ""});
    REQUIRE(target.has_value());
    CHECK(target->tls == c.tls);
    CHECK(target->target == c.target);
  }
}

TEST_CASE("endpoint: refused addresses") {
  for (const char* url : {"",
                          "gateway:1",
                          "ftp://a:1",
                          "https://",
                          "https://:1",
                          "https://a:",
                          "https://a:0",
                          "https://a:65536",
                          "https://a:1x",
                          "https://a:1/path",
                          "https://u@a:1",
                          "https://u:p@a:1",
                          "https://a b:1",
                          "https://[::1",
                          "https://[::1]1",
                          "https://[x]:1",
                          "https://a?b",
                          "https://a#b",
                          "https://a,b:1",
                          "http://10.0.0.1:1",
                          "http://gateway:1",
                          "http://0.0.0.0:1",
                          "http://127.evil.example:1",
                          "http://127.0.0.1.evil.example:1",
                          "http://[::ffff:10.0.0.1]:1",
                          "http://[::]:1",
                          "http://localhost.evil.example:1",
                          "HTTP://127.0.0.1:1"}) {
    CAPTURE(url);
    CHECK_FALSE(gateway_target({url, "ca", "", "", ""}).has_value());
  }
}

TEST_CASE("endpoint: TLS needs a CA and whole client pairs") {
  const auto no_ca = gateway_target({"https://a:1", "", "", "", ""});
  REQUIRE_FALSE(no_ca.has_value());
  CHECK(no_ca.error().what.find("OPENSHELL_TLS_CA") != std::string::npos);
  CHECK_FALSE(gateway_target({"https://a:1", "ca", "cert", "", ""}).has_value());
  CHECK_FALSE(gateway_target({"https://a:1", "ca", "", "key", ""}).has_value());
  CHECK(gateway_target({"https://a:1", "ca", "cert", "key", ""}).has_value());
}
