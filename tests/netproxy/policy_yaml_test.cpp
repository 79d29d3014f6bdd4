#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/file.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/yaml.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr std::string_view whole = R"(version: 1
filesystem_policy:
  include_workdir: true
  read_only: [/usr, /etc]
  read_write: [/tmp]
landlock: {compatibility: best_effort}
process: {run_as_user: sandbox, run_as_group: sandbox}
network_policies:
  s3:
    name: the bucket
    endpoints:
      - host: S3.keyward.test
        ports: [443, 8443]
        protocol: rest
        enforcement: audit
        rules:
          - allow: {method: get, path: "/bucket/**"}
          - allow: {method: PUT, path: "/bucket/in/*"}
        deny_rules:
          - {method: "*", path: "/bucket/private/*"}
        allowed_ips: [10.0.0.0/8]
        credential_signing: sigv4
        signing_service: s3
        signing_region: us-east-1
        credential_binding: {provider: work}
    binaries:
      - {path: /usr/bin/*, harness: true}
  packages:
    endpoints:
      - {host: packages.test, port: 443, tls: skip}
)";

// An endpoint in its place: line 5, column 9 is its first key.
std::string endpoint(const std::string& keys) {
  return "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - host: a.test\n        port: "
         "443\n" +
         keys;
}

std::string error_of(const std::string& yaml) {
  const auto model = parse_policy(yaml, "p.yaml");
  return model ? "" : model.error().what;
}

}  // namespace

TEST_CASE("policy file: every served key arrives") {
  const auto model = parse_policy(whole, "p.yaml");
  REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().what));
  CHECK(model->filesystem == FilesystemModel{true, {"/usr", "/etc"}, {"/tmp"}});
  CHECK(model->landlock_best_effort);
  CHECK(model->run_as_user == "sandbox");
  REQUIRE(model->network_policies.size() == 2);
  const NetworkPolicyModel& s3 = model->network_policies[0];
  CHECK(s3.key == "s3");
  CHECK(s3.name == "the bucket");
  CHECK(s3.binaries == std::vector<std::string>{"/usr/bin/*"});
  EndpointModel expected;
  expected.host = "s3.keyward.test";
  expected.ports = {443, 8443};
  expected.protocol = Protocol::rest;
  expected.enforcement = Enforcement::audit;
  expected.rules = {{"GET", "/bucket/**"}, {"PUT", "/bucket/in/*"}};
  expected.deny_rules = {{"*", "/bucket/private/*"}};
  expected.allowed_ips = {"10.0.0.0/8"};
  expected.credential_signing = CredentialSigning::sigv4;
  expected.signing_service = "s3";
  expected.signing_region = "us-east-1";
  expected.credential_provider = "work";
  CHECK(s3.endpoints[0] == expected);
  CHECK(model->network_policies[1].endpoints[0].tls == TlsMode::skip);
  CHECK(model->network_policies[1].endpoints[0].enforcement == Enforcement::enforce);
}

TEST_CASE("policy file: the example of docs/POLICY.md loads and compiles") {
  const auto page = read_file(std::string(KEYWARD_SOURCE_ROOT) + "/docs/POLICY.md");
  REQUIRE(page.has_value());
  const auto begin = page->find("```yaml\n") + 8;
  const auto model =
      parse_policy(page->substr(begin, page->find("```\n", begin) - begin), "example");
  REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().what));
  CHECK(model->network_policies.size() == 2);
  CHECK(compile(*model).has_value());
}

TEST_CASE("policy file: the smallest ones") {
  CHECK(error_of("version: 1\n").empty());
  CHECK(error_of("version: 1\nnetwork_policies: {}\n").empty());
  CHECK(error_of(endpoint("")).empty());
  CHECK(error_of(endpoint("        protocol: rest\n        access: full\n")).empty());
  for (const char* tls : {"terminate", "passthrough", "none", "\"\""})
    CHECK(error_of(endpoint("        tls: " + std::string(tls) + "\n")).empty());
  CHECK_FALSE(parse_policy("version: 1\n", "p")->landlock_best_effort);
}

TEST_CASE("policy file: an error says where and what") {
  struct Case {
    const char* name;
    std::string yaml;
    std::vector<const char*> says;
  };
  const std::string rest = "        protocol: rest\n";
  const Case cases[] = {
      {"unknown key",
       endpoint("        protocoll: rest\n"),
       {"p.yaml:7:", "unknown key protocoll", "did you mean protocol?"}},
      {"unknown top key",
       "version: 1\nnetwork_policy: {}\n",
       {"p.yaml:2:", "unknown key network_policy"}},
      {"merge key", endpoint("        <<: {protocol: rest}\n"), {"p.yaml:7:", "unknown key <<"}},
      {"repeated key", endpoint("        port: 80\n"), {"p.yaml:7:", "port is repeated"}},
      {"repeated rule",
       "version: 1\nnetwork_policies:\n  a: {endpoints: [{host: a.test, port: 1}]}\n"
       "  a: {endpoints: [{host: b.test, port: 1}]}\n",
       {"p.yaml:4:", "a is repeated"}},
      {"websocket",
       endpoint("        protocol: websocket\n"),
       {"p.yaml:7:", "websocket", "not served by this version"}},
      {"mcp options",
       endpoint("        mcp: {max_body_bytes: 1}\n"),
       {"mcp", "not served by this version"}},
      {"middlewares",
       "version: 1\nnetwork_middlewares: {}\n",
       {"p.yaml:2:", "network_middlewares", "not served by this version"}},
      {"unknown signing",
       endpoint(rest + "        access: full\n        credential_signing: sigv5\n"),
       {"p.yaml:9:", "credential_signing must be sigv4, sigv4:body, sigv4:no_body or sigv4a"}},
      {"body rewrite",
       endpoint("        request_body_credential_rewrite: true\n"),
       {"p.yaml:7:", "not served by this version"}},
      {"rule by query",
       endpoint(rest + "        rules: [{allow: {method: GET, path: /, query: {a: b}}}]\n"),
       {"p.yaml:8:", "query", "not served by this version"}},
      {"wrong type",
       endpoint("        allowed_ips: 10.0.0.0/8\n"),
       {"p.yaml:7:", "allowed_ips must be a list"}},
      {"empty list",
       endpoint(rest + "        rules: []\n"),
       {"p.yaml:8:", "rules must be a list with"}},
      {"port 0",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.test, port: 0}]}}\n",
       {"p.yaml:2:", "port must be a number from 1 to 65535"}},
      {"port too high",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.test, port: 65536}]}}\n",
       {"p.yaml:2:"}},
      {"port as text",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.test, port: https}]}}\n",
       {"p.yaml:2:"}},
      {"no host",
       "version: 1\nnetwork_policies: {a: {endpoints: [{port: 443}]}}\n",
       {"p.yaml:2:", "an endpoint needs host"}},
      {"no port",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.test}]}}\n",
       {"p.yaml:2:", "an endpoint needs port"}},
      {"no endpoints", "version: 1\nnetwork_policies: {a: {name: x}}\n", {"needs endpoints"}},
      {"access and rules",
       endpoint(rest + "        access: full\n        rules: [{allow: {method: GET, path: /}}]\n"),
       {"access and rules exclude each other"}},
      {"rest without rules", endpoint(rest), {"p.yaml:5:", "protocol: rest needs access or rules"}},
      {"access without rest", endpoint("        access: full\n"), {"access needs protocol: rest"}},
      {"path without rest", endpoint("        path: /a\n"), {"path needs protocol: rest"}},
      {"signing without service",
       endpoint(rest + "        access: full\n        credential_signing: sigv4\n"),
       {"credential_signing needs signing_service"}},
      {"region without signing",
       endpoint("        signing_region: eu-west-1\n"),
       {"need credential_signing"}},
      {"access spelled wrong",
       endpoint(rest + "        access: readonly\n"),
       {"p.yaml:8:", "readonly", "did you mean read-only?"}},
      {"star host",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: \"*\", port: 443}]}}\n",
       {"p.yaml:2:"}},
      {"star top-level domain",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: \"*.com\", port: 443}]}}\n",
       {"p.yaml:2:"}},
      {"rule without path",
       endpoint(rest + "        rules: [{allow: {method: GET}}]\n"),
       {"p.yaml:8:", "a rule needs method and path"}},
      {"rule without allow",
       endpoint(rest + "        rules: [{method: GET, path: /}]\n"),
       {"p.yaml:8:", "method"}},
      {"relative binary",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: a.test, port: 1}], binaries: [{path: "
       "curl}]}}\n",
       {"must be absolute"}},
      {"path with dots",
       "version: 1\nfilesystem_policy: {read_only: [/a/../b]}\n",
       {"p.yaml:2:", "without .."}},
      {"flag as number",
       "version: 1\nfilesystem_policy: {include_workdir: 1}\n",
       {"must be true or false"}},
      {"no version", "network_policies: {}\n", {"version: 1 is missing"}},
      {"version 2", "version: 2\n", {"p.yaml:1:10", "version must be 1"}},
      {"null host",
       "version: 1\nnetwork_policies: {a: {endpoints: [{host: , port: 443}]}}\n",
       {"p.yaml:2:"}},
      {"alias",
       "version: 1\nprocess: &p {run_as_user: a}\nlandlock: *p\n",
       {"p.yaml:3:", "aliases"}},
      {"foreign tag", "version: 1\nprocess: !evil {run_as_user: a}\n", {"p.yaml:2:", "tags"}},
      {"two documents", "version: 1\n---\nversion: 1\n", {"exactly one document"}},
      {"empty file", "", {"exactly one document"}},
      {"a scalar", "hello\n", {"must be a mapping"}},
      {"a list", "- version: 1\n", {"must be a mapping"}},
      {"no YAML", "version: 1\n  bad: [\n", {"p.yaml:", "not valid YAML"}},
      {"nested",
       "version: 1\nprocess: " + std::string(40, '[') + std::string(40, ']') + "\n",
       {"nested too deeply"}},
      {"nested without end", std::string(200'000, '['), {"p.yaml"}},
      {"nested mappings", std::string(100'000, '{'), {"p.yaml"}},
      {"too large", "version: 1\n#" + std::string(policy_file_limit, 'x'), {"larger than"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::string error = error_of(c.yaml);
    CHECK_FALSE(error.empty());
    for (const char* text : c.says)
      CHECK_MESSAGE(error.find(text) != std::string::npos, error << " | " << text);
  }
}

TEST_CASE("policy file: every key that OpenShell knows and this version does not serve is named") {
  for (const char* key :
       {"persisted_queries: deny", "graphql_persisted_queries: {}", "graphql_max_body_bytes: 1",
        "json_rpc: {}", "mcp: {}", "websocket_credential_rewrite: true",
        "request_body_credential_rewrite: true", "allow_uninspected_credentials: true",
        "protocol: graphql", "protocol: sql", "protocol: json-rpc", "protocol: mcp"}) {
    CAPTURE(key);
    const std::string error = error_of(endpoint("        " + std::string(key) + "\n"));
    CHECK(error.find("not served by this version") != std::string::npos);
  }
  CHECK(error_of(endpoint("        websocket_credential_rewrite: false\n")).empty());
}
