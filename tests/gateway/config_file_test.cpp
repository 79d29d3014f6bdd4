#include "gateway/config_file.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("config: every key that is served") {
  const auto options = parse_config(R"(
[openshell]
version = 1
[openshell.gateway]
bind_address = "0.0.0.0:17670"
log_level = "warn"
disable_tls = false
[openshell.gateway.tls]
cert_path = "/c/tls.crt"
key_path = "/c/tls.key"
client_ca_path = "/c/ca.crt"
require_client_auth = true
[openshell.gateway.gateway_jwt]
gateway_id = "one"
ttl_secs = 600
[keyward.gateway]
tls_dir = "/t"
jwt_dir = "/j"
request_client_certificate = true
database = "postgresql://keyward@db/keyward"
key_file = "/k"
key_command = "/usr/local/bin/unwrap"
refresh_overlap_secs = 30
http_bind_address = "127.0.0.1:9090"
http_url = "https://g.example.com"
audit_log = "/var/log/audit"
ping_tolerance_ms = 100
)",
                                    "g.toml", {});
  REQUIRE(options);
  CHECK(options->listen == "0.0.0.0:17670");
  CHECK(options->log_level == "warn");
  CHECK_FALSE(options->plaintext_loopback);
  CHECK(options->certificate_file == "/c/tls.crt");
  CHECK(options->certificate_key_file == "/c/tls.key");
  CHECK(options->client_ca_file == "/c/ca.crt");
  CHECK(options->require_client_certificate);
  CHECK(options->gateway_id == "one");
  CHECK(options->token_ttl_seconds == 600);
  CHECK(options->tls_dir == "/t");
  CHECK(options->jwt_dir == "/j");
  CHECK(options->request_client_certificate);
  CHECK(options->database == "postgresql://keyward@db/keyward");
  CHECK(options->key_file == "/k");
  CHECK(options->key_command == "/usr/local/bin/unwrap");
  CHECK(options->refresh_overlap_seconds == 30);
  CHECK(options->http_listen == "127.0.0.1:9090");
  CHECK(options->http_url == "https://g.example.com");
  CHECK(options->audit_log == "/var/log/audit");
  CHECK(options->ping_tolerance_ms == 100);
}

TEST_CASE("config: what is wrong is told with its place") {
  const struct {
    const char *text, *told;
  } cases[] = {
      {"[openshell]\nversion = 2\n", "g.toml:2: openshell.version: only version 1"},
      {"[openshell.gateway]\n\nbind_adress = \"x\"\n",
       "g.toml:3: not served by this version: openshell.gateway.bind_adress"},
      {"[openshell.gateway.otlp]\nendpoint = \"x\"\n",
       "g.toml:2: not served by this version: openshell.gateway.otlp.endpoint"},
      {"[openshell.gateway.oidc]\njwks_ttl_secs = 1\n", "must be a number from 60 to 86400"},
      {"[openshell.gateway.mtls_auth]\nenabled = 1\n", "must be true or false"},
      {"[openshell.gateway]\nmetrics_bind_address = \"x\"\n", "keyward.gateway.http_bind_address"},
      {"[keyward.gateway]\ntls-dir = \"x\"\n", "g.toml:2: unknown key keyward.gateway.tls-dir"},
      {"nonsense = 1\n", "g.toml:1: unknown key nonsense"},
      {"[keyward.gateway]\ntls_dir = 1\n",
       "g.toml:2: keyward.gateway.tls_dir: must be a non-empty"},
      {"[keyward.gateway]\ntls_dir = \"\"\n", "must be a non-empty string"},
      {"[openshell.gateway]\ndisable_tls = \"yes\"\n", "must be true or false"},
      {"[openshell.gateway.gateway_jwt]\nttl_secs = 0\n", "must be a number from 60 to 604800"},
      {"[openshell.gateway.gateway_jwt]\nttl_secs = 9223372036854775807\n", "must be a number"},
      {"[keyward.gateway]\nrefresh_overlap_secs = 301\n", "must be a number from 0 to 300"},
      {"[[openshell.gateway]]\nbind_address = \"x\"\n", "openshell.gateway"},
      {"[openshell.gateway\n", "g.toml:1: not valid TOML"},
      {"a = 1\na = 2\n", "g.toml:2: not valid TOML"},
      {"[openshell]\nversion = 1\n[$]\nx = 1\n", "g.toml:3: not valid TOML"},  // asserts in toml++
      {"[$", "g.toml:1: not valid TOML"},
      {"a = 1\n# \u00e9\n", "g.toml:2: only ASCII"},  // undefined behaviour in toml++
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto refused = parse_config(c.text, "g.toml", {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::invalid);
    CAPTURE(refused.error().what);
    CHECK(refused.error().what.find(c.told) != std::string::npos);
  }
}

TEST_CASE("config: flags win over the file, the file over the defaults") {
  const tests::TestDirectory directory;
  const std::string file = directory / "g.toml";
  std::ofstream(file) << "[openshell.gateway]\nlog_level = \"error\"\n[keyward.gateway]\n"
                         "database = \"/from/file\"\nkey_file = \"/k\"\njwt_dir = \"/j\"\n";
  const auto options = parse_options(
      {"serve", "--config", file, "--database", "/from/flag", "--jwt-dir", "/flag/jwt"});
  REQUIRE(options);
  const auto& serve = std::get<ServeOptions>(options->action);
  CHECK(serve.database == "/from/flag");
  CHECK(serve.jwt_dir == "/flag/jwt");
  CHECK(serve.key_file == "/k");
  CHECK(serve.listen == ServeOptions().listen);
  CHECK(options->log_level == log::Level::error);
  CHECK(parse_options({"--log-level", "debug", "serve", "--config", file})->log_level ==
        log::Level::debug);
  CHECK_FALSE(parse_options({"serve", "--config", directory / "absent"}));
  std::ofstream(file) << "[openshell.gateway]\nlog_level = \"loud\"\n";
  CHECK_FALSE(parse_options({"serve", "--config", file}));
}
