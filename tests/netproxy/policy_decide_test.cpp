#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "netproxy/policy/policy.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

EndpointModel rest(const char* host, std::vector<RuleModel> rules) {
  EndpointModel endpoint;
  endpoint.host = host;
  endpoint.ports = {443};
  endpoint.protocol = Protocol::rest;
  endpoint.rules = std::move(rules);
  return endpoint;
}

EndpointModel with_access(const char* host, Access access) {
  EndpointModel endpoint = rest(host, {});
  endpoint.access = access;
  return endpoint;
}

EndpointModel tunnel(const char* host, std::uint16_t port = 443) {
  EndpointModel endpoint;
  endpoint.host = host;
  endpoint.ports = {port};
  return endpoint;
}

EndpointModel bucket(std::vector<RuleModel> rules, std::vector<RuleModel> deny_rules = {}) {
  EndpointModel endpoint = rest("s3.test", std::move(rules));
  endpoint.deny_rules = std::move(deny_rules);
  endpoint.credential_signing = CredentialSigning::sigv4;
  endpoint.signing_service = "s3";
  return endpoint;
}

PolicyModel model_of(std::vector<EndpointModel> endpoints, std::vector<std::string> binaries = {}) {
  PolicyModel model;
  model.network_policies.push_back({"rule", "", std::move(endpoints), std::move(binaries)});
  return model;
}

Policy policy_of(std::vector<EndpointModel> endpoints) {
  auto policy = compile(model_of(std::move(endpoints)));
  REQUIRE_MESSAGE(policy.has_value(), (policy ? "" : policy.error().what));
  return std::move(*policy);
}

Denial denial_of(const Policy& policy, const char* method, const char* path,
                 const char* host = "s3.test") {
  return policy.decide_request({host, 443}, method, path, {}).denial;
}

}  // namespace

TEST_CASE("decide: nothing is allowed that is not named") {
  const Policy policy = policy_of({tunnel("packages.test"), tunnel("*.example.com", 8443)});
  struct Case {
    const char* host;
    std::uint16_t port;
    bool allowed;
  };
  for (const Case& c : {Case{"packages.test", 443, true},
                        {"packages.test", 80, false},
                        {"files.packages.test", 443, false},
                        {"evil.test", 443, false},
                        {"a.example.com", 8443, true},
                        {"example.com", 8443, false},
                        {"a.b.example.com", 8443, false}}) {
    CAPTURE(c.host);
    const Verdict verdict = policy.decide_connect({c.host, c.port}, {});
    CHECK(verdict.allowed == c.allowed);
    CHECK((verdict.denial == Denial::no_endpoint) == !c.allowed);
    CHECK((verdict.endpoint != nullptr) == c.allowed);
    CHECK_FALSE(verdict.inspect);
  }
  CHECK_FALSE(policy_of({}).decide_connect({"packages.test", 443}, {}).allowed);
}

TEST_CASE("decide: an unopened endpoint allows what its tunnel would carry") {
  const Policy policy = policy_of({tunnel("packages.test", 443)});
  const Verdict verdict = policy.decide_request({"packages.test", 443}, "POST", "/a/../b", {});
  CHECK(verdict.allowed);
  CHECK(verdict.path == "/b");
}

TEST_CASE("decide: access levels") {
  struct Case {
    const char* method;
    bool read_only, read_write, full;
  };
  const Policy read_only = policy_of({with_access("h.test", Access::read_only)});
  const Policy read_write = policy_of({with_access("h.test", Access::read_write)});
  const Policy full = policy_of({with_access("h.test", Access::full)});
  for (const Case& c : {Case{"GET", true, true, true},
                        {"HEAD", true, true, true},
                        {"OPTIONS", true, true, true},
                        {"POST", false, true, true},
                        {"PUT", false, true, true},
                        {"PATCH", false, true, true},
                        {"DELETE", false, false, true},
                        {"get", false, false, true},
                        {"PROPFIND", false, false, true}}) {
    CAPTURE(c.method);
    const auto allows = [&](const Policy& policy) {
      return policy.decide_request({"h.test", 443}, c.method, "/x", {}).allowed;
    };
    CHECK(allows(read_only) == c.read_only);
    CHECK(allows(read_write) == c.read_write);
    CHECK(allows(full) == c.full);
  }
  CHECK(full.decide_connect({"h.test", 443}, {}).inspect);
}

TEST_CASE("decide: rules by method and path; deny rules win") {
  const Policy policy =
      policy_of({bucket({{"GET", "/b/**"}, {"*", "/b/in/*"}}, {{"*", "/b/in/secret*"}})});
  CHECK(denial_of(policy, "GET", "/b/x/y") == Denial::none);
  CHECK(denial_of(policy, "PUT", "/b/x/y") == Denial::no_rule);
  CHECK(denial_of(policy, "PUT", "/b/in/x") == Denial::none);
  CHECK(denial_of(policy, "PUT", "/b/in/secret") == Denial::deny_rule);
  CHECK(denial_of(policy, "GET", "/b/in/secret/x") == Denial::deny_rule);
  CHECK(denial_of(policy, "GET", "/c/x") == Denial::no_rule);
}

TEST_CASE("decide: no spelling of a path gets around a rule") {
  const Policy s3 = policy_of({bucket({{"*", "/b/**"}}, {{"*", "/b/secret/*"}})});
  for (const char* path :
       {"/b/secret/k", "/b/%73ecret/k", "/b//secret/k", "/b/./secret/k", "/b/x/../secret/k",
        "/b/secret//k", "/b/secret%2Fk", "/b/x/%2e%2e/secret/k"}) {
    CAPTURE(path);
    CHECK(denial_of(s3, "GET", path) == Denial::deny_rule);
  }
  // A key that a normalizing server would find outside of the allowed prefix.
  const Policy narrow = policy_of({bucket({{"*", "/b/in/**"}})});
  for (const char* path : {"/b/in/../out/k", "/b/in/%2e%2e/out", "/b/in/../../c/k"}) {
    CAPTURE(path);
    CHECK(denial_of(narrow, "GET", path) == Denial::no_rule);
  }
  CHECK(denial_of(narrow, "GET", "/b/in/../../../c") == Denial::bad_path);
  CHECK(denial_of(narrow, "GET", "/b/in//k") == Denial::none);
  CHECK(denial_of(narrow, "GET", "/b/in/a/../k") == Denial::none);

  EndpointModel general = rest("s3.test", {{"*", "/api/**"}});
  general.deny_rules = {{"*", "/api/admin/**"}, {"*", "/api/mail@x"}};
  const Policy api = policy_of({general});
  for (const char* path :
       {"/api/admin/x", "/api/%61dmin/x", "/api/x/../admin/x", "/api/admin;v=1/x",
        "/api/x/..;/admin/x", "/api/mail%40x", "/api/mail@x"}) {
    CAPTURE(path);
    CHECK(denial_of(api, "GET", path) == Denial::deny_rule);
  }
  for (const char* path : {"/api//admin/x", "/api/admin%2Fx", "/api/\\admin", "/../api/x"}) {
    CAPTURE(path);
    CHECK(denial_of(api, "GET", path) == Denial::bad_path);
  }
}

TEST_CASE("decide: what is decided is what is forwarded") {
  const Policy s3 = policy_of({bucket({{"*", "/b/**"}})});
  CHECK(s3.decide_request({"s3.test", 443}, "GET", "/b/mac@2x.png", {}).path == "/b/mac%402x.png");
  CHECK(s3.decide_request({"s3.test", 443}, "GET", "/b//a%20b", {}).path == "/b//a%20b");
  const Policy api = policy_of({rest("s3.test", {{"*", "/api/**"}})});
  CHECK(api.decide_request({"s3.test", 443}, "GET", "/api/./x/../%7ey", {}).path == "/api/~y");
  CHECK(api.decide_request({"s3.test", 443}, "GET", "/api/a+b:c", {}).path == "/api/a+b:c");
}

TEST_CASE("decide: patterns are written as people read keys") {
  const Policy policy =
      policy_of({bucket({{"GET", "/b/my file/mac@2x.png"}, {"PUT", "/b/a%20b/*"}})});
  CHECK(denial_of(policy, "GET", "/b/my%20file/mac@2x.png") == Denial::none);
  CHECK(denial_of(policy, "GET", "/b/my%20file/mac%402x.png") == Denial::none);
  CHECK(denial_of(policy, "PUT", "/b/a%20b/c") == Denial::none);
}

TEST_CASE("decide: encoded slashes only where allowed") {
  EndpointModel endpoint = rest("s3.test", {{"*", "/projects/*"}});
  CHECK(denial_of(policy_of({endpoint}), "GET", "/projects/a%2Fb") == Denial::bad_path);
  endpoint.allow_encoded_slash = true;
  endpoint.deny_rules = {{"*", "/projects/secret/*"}};
  const Policy policy = policy_of({endpoint});
  const Verdict verdict = policy.decide_request({"s3.test", 443}, "GET", "/projects/a%2fb", {});
  CHECK(verdict.allowed);
  CHECK(verdict.path == "/projects/a%2Fb");
  CHECK(denial_of(policy, "GET", "/projects/secret%2Fb") == Denial::deny_rule);
  CHECK(denial_of(policy, "GET", "/projects/a%2F..%2F..%2F..%2Fb") == Denial::bad_path);
}

TEST_CASE("decide: the endpoint with the longest path decides, deny rules of all count") {
  EndpointModel wide = with_access("s3.test", Access::full);
  EndpointModel narrow = bucket({{"GET", "/b/*"}});
  narrow.path = "/b/**";
  const Policy policy = policy_of({wide, narrow});
  CHECK(
      policy.decide_request({"s3.test", 443}, "GET", "/b/k", {}).endpoint->model.signing_service ==
      "s3");
  CHECK(policy.decide_request({"s3.test", 443}, "GET", "/c/k", {})
            .endpoint->model.signing_service.empty());
  wide.deny_rules = {{"GET", "/b/k"}};
  CHECK(denial_of(policy_of({wide, narrow}), "GET", "/b/k") == Denial::deny_rule);
}

TEST_CASE("decide: enforcement audit lets pass and says so; deny rules and hosts still bind") {
  EndpointModel endpoint = rest("s3.test", {{"GET", "/a"}});
  endpoint.enforcement = Enforcement::audit;
  endpoint.deny_rules = {{"*", "/no"}};
  const Policy policy = policy_of({endpoint});
  const Verdict named = policy.decide_request({"s3.test", 443}, "GET", "/a", {});
  CHECK(named.allowed);
  CHECK_FALSE(named.audited);
  const Verdict passed = policy.decide_request({"s3.test", 443}, "DELETE", "/b", {});
  CHECK(passed.allowed);
  CHECK(passed.audited);
  CHECK(passed.path == "/b");
  CHECK(denial_of(policy, "GET", "/no") == Denial::deny_rule);
  CHECK(denial_of(policy, "GET", "/a", "other.test") == Denial::no_endpoint);
  CHECK(denial_of(policy, "GET", "/a//b") == Denial::bad_path);
}

TEST_CASE("decide: binaries match the program or an ancestor") {
  const auto policy =
      compile(model_of({tunnel("packages.test")}, {"/usr/bin/python3*", "/opt/**"}));
  REQUIRE(policy.has_value());
  CHECK(policy->needs_executables());
  const auto denial = [&](std::vector<std::string> programs) {
    return policy->decide_connect({"packages.test", 443}, programs).denial;
  };
  CHECK(denial({"/usr/bin/python3.11"}) == Denial::none);
  CHECK(denial({"/usr/bin/curl", "/opt/tool/bin/run"}) == Denial::none);
  CHECK(denial({"/usr/bin/curl", "/usr/bin/bash"}) == Denial::binary);
  CHECK(denial({"/tmp/usr/bin/python3"}) == Denial::binary);
  CHECK(denial({}) == Denial::binary);  // an unknown program is no named one
  const auto any = compile(model_of({tunnel("packages.test")}, {"**"}));
  CHECK_FALSE(any->needs_executables());
  CHECK(any->decide_connect({"packages.test", 443}, {}).allowed);
}

TEST_CASE("compile: refuses what cannot be decided, wherever the model comes from") {
  const auto refused = [](EndpointModel endpoint) {
    return !compile(model_of({std::move(endpoint)}));
  };
  EndpointModel endpoint = rest("a.test", {});
  CHECK(refused(endpoint));  // rest without access or rules
  endpoint.access = Access::full;
  CHECK_FALSE(refused(endpoint));
  endpoint.rules = {{"GET", "/"}};
  CHECK(refused(endpoint));  // both
  for (const auto& spoil : std::vector<void (*)(EndpointModel&)>{
           [](EndpointModel& e) { e.host = ""; },
           [](EndpointModel& e) { e.host = "*.com"; },
           [](EndpointModel& e) { e.host = "a b.test"; },
           [](EndpointModel& e) { e.host = "A.test"; },
           [](EndpointModel& e) { e.host = "a.test."; },
           [](EndpointModel& e) { e.host = "*.a b.test"; },
           [](EndpointModel& e) { e.host = "127.1"; },
           [](EndpointModel& e) { e.host = "10.0.0.*"; },
           [](EndpointModel& e) { e.ports = {}; },
           [](EndpointModel& e) { e.ports = {0}; },
           [](EndpointModel& e) { e.tls = TlsMode::skip; },
           [](EndpointModel& e) { e.protocol = Protocol::tcp; },
           [](EndpointModel& e) { e.protocol = Protocol::unset; },
           [](EndpointModel& e) { e.credential_signing = CredentialSigning::sigv4; },
           [](EndpointModel& e) { e.signing_service = "s3"; },
           [](EndpointModel& e) { e.signing_region = "eu-west-1"; },
           [](EndpointModel& e) { e.credential_provider = "work"; },
           [](EndpointModel& e) { e.path = "no-slash"; },
           [](EndpointModel& e) { e.path = "/%2A"; },
           [](EndpointModel& e) { e.deny_rules = {{"GET", "relative"}}; },
           [](EndpointModel& e) { e.deny_rules = {{"G T", "/"}}; },
           [](EndpointModel& e) { e.deny_rules = {{"", "/"}}; },
           [](EndpointModel& e) { e.allowed_ips = {"127.0.0.0/8"}; },
           [](EndpointModel& e) { e.allowed_ips = {"169.254.169.254"}; },
           [](EndpointModel& e) { e.allowed_ips = {"0.0.0.0/0"}; },
           [](EndpointModel& e) { e.allowed_ips = {"::/0"}; },
           [](EndpointModel& e) { e.allowed_ips = {"ten"}; }}) {
    EndpointModel spoiled = with_access("a.test", Access::full);
    REQUIRE_FALSE(refused(spoiled));
    spoil(spoiled);
    CHECK(refused(spoiled));
  }
}

TEST_CASE("compile: endpoints of one connection must agree on how it is treated") {
  EndpointModel other = tunnel("*.b.test");
  CHECK_FALSE(compile(model_of({with_access("a.b.test", Access::full), other})).has_value());
  other.ports = {8443};
  CHECK(compile(model_of({with_access("a.b.test", Access::full), other})).has_value());
  other = with_access("*.b.test", Access::full);
  other.allowed_ips = {"10.0.0.0/8"};
  CHECK_FALSE(compile(model_of({with_access("a.b.test", Access::full), other})).has_value());
}

TEST_CASE("compile: the hash follows the meaning") {
  const PolicyModel model = model_of({bucket({{"GET", "/b/*"}}, {{"*", "/b/x"}})}, {"/usr/bin/*"});
  const std::string hash = compile(model)->hash();
  CHECK(hash.size() == 64);
  CHECK(compile(model)->hash() == hash);
  for (const auto& change : std::vector<void (*)(PolicyModel&)>{
           [](PolicyModel& m) { m.network_policies[0].key = "other"; },
           [](PolicyModel& m) { m.network_policies[0].binaries.clear(); },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].host = "s4.test"; },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].ports = {444}; },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].rules[0].method = "PUT"; },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].rules[0].path = "/b/y"; },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].deny_rules.clear(); },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].signing_region = "x"; },
           [](PolicyModel& m) {
             m.network_policies[0].endpoints[0].enforcement = Enforcement::audit;
           },
           [](PolicyModel& m) { m.network_policies[0].endpoints[0].allowed_ips = {"10.0.0.0/8"}; },
           [](PolicyModel& m) { m.filesystem.read_only = {"/usr"}; },
           [](PolicyModel& m) { m.run_as_user = "x"; },
           [](PolicyModel& m) { m.landlock_best_effort = true; }}) {
    PolicyModel changed = model;
    change(changed);
    CHECK(compile(changed)->hash() != hash);
  }
}

TEST_CASE("compile: paths of the filesystem are absolute and go nowhere else") {
  for (const char* path : {"", "usr", "/a/../b", "/..", "..", "/a\nb"}) {
    CAPTURE(path);
    PolicyModel model = model_of({tunnel("a.test")});
    model.filesystem.read_write = {path};
    CHECK(compile(model).error().code == Code::invalid);
    std::swap(model.filesystem.read_write, model.filesystem.read_only);
    CHECK_FALSE(compile(model));
  }
  PolicyModel model = model_of({tunnel("a.test")});
  model.filesystem.read_only = {"/", "/usr/lib/a..b", "/..a"};
  CHECK(compile(model));
}

TEST_CASE("decide: an IP literal is a host like any other") {
  const Policy policy = policy_of({tunnel("10.1.2.3"), tunnel("2001:db8::1")});
  CHECK(policy.decide_connect({"10.1.2.3", 443}, {}).allowed);
  CHECK(policy.decide_connect({"2001:db8::1", 443}, {}).allowed);
  CHECK_FALSE(policy.decide_connect({"10.1.2.4", 443}, {}).allowed);
}

TEST_CASE("decide: a closed policy denies everything and says why") {
  const Policy closed = Policy::closed("the gateway's authority is lost: it is deleted");
  CHECK(closed.is_closed());
  CHECK_FALSE(closed.needs_executables());
  CHECK_FALSE(policy_of({tunnel("a.test")}).is_closed());
  CHECK(Policy::closed("").is_closed());
  for (const Verdict& verdict : {closed.decide_connect({"a.test", 443}, {}),
                                 closed.decide_request({"a.test", 443}, "GET", "/", {})}) {
    CHECK_FALSE(verdict.allowed);
    CHECK(verdict.denial == Denial::no_policy);
    CHECK(verdict.endpoint == nullptr);
    CHECK(verdict.detail == "the gateway's authority is lost: it is deleted");
  }
}
