#include "identity/rpc/provider_environment.hpp"

#include <doctest/doctest.h>

#include <functional>

using namespace keyward;
using namespace keyward::identity;
using Response = openshell::v1::GetSandboxProviderEnvironmentResponse;

namespace {

void bind(Response& response, const std::string& name, const std::string& host) {
  auto& binding = (*response.mutable_static_credential_bindings())[name];
  binding.Clear();
  binding.set_credential_identity("prod:" + name);
  auto* endpoint = binding.add_endpoints();
  endpoint->set_host(host);
  endpoint->set_port(443);
}

Response good() {
  Response response;
  auto& environment = *response.mutable_environment();
  environment["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE";
  environment["AWS_SECRET_ACCESS_KEY"] = "secret-value";
  environment["AWS_REGION"] = "eu-central-1";
  response.add_non_secret_environment_keys("AWS_REGION");
  bind(response, "AWS_ACCESS_KEY_ID", "S3.example.com");
  bind(response, "AWS_SECRET_ACCESS_KEY", "s3.example.com");
  response.set_provider_env_revision(7);
  return response;
}

}  // namespace

TEST_CASE("provider environment: AWS keys with bindings, and configuration") {
  Response response = good();
  (*response.mutable_credential_expires_at_ms())["AWS_SECRET_ACCESS_KEY"] = 5000;
  (*response.mutable_credential_expires_at_ms())["AWS_ACCESS_KEY_ID"] = 0;
  const ProviderEnvironment got = take_provider_environment(response);
  CHECK(got.problems.empty());
  CHECK(got.revision == 7);
  REQUIRE(got.credentials.aws.size() == 1);
  const auto& aws = got.credentials.aws[0];
  CHECK(aws.provider == "prod");
  CHECK(aws.keys.access_key_id == "AKIAIOSFODNN7EXAMPLE");
  CHECK(aws.keys.secret_access_key.equals("secret-value"));
  CHECK(aws.keys.session_token.empty());
  REQUIRE(aws.bindings.size() == 1);
  CHECK(aws.bindings[0].host == "s3.example.com");
  CHECK(aws.bindings[0].port == 443);
  CHECK(aws.expires == TimePoint(std::chrono::milliseconds(5000)));
  REQUIRE(got.environment.size() == 1);
  CHECK(got.environment[0].first == "AWS_REGION");
  CHECK(got.secret_keys == std::vector<std::string>{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"});
}

TEST_CASE("provider environment: what is incomplete is not used") {
  struct Case {
    const char* name;
    std::function<void(Response&)> change;
  };
  const std::vector<Case> cases = {
      {"a secret without binding",
       [](Response& r) { r.mutable_static_credential_bindings()->erase("AWS_SECRET_ACCESS_KEY"); }},
      {"another secret without binding",
       [](Response& r) { (*r.mutable_environment())["GITHUB_TOKEN"] = "x"; }},
      {"a binding without endpoints",
       [](Response& r) {
         (*r.mutable_static_credential_bindings())["AWS_ACCESS_KEY_ID"].clear_endpoints();
       }},
      {"bindings that differ",
       [](Response& r) { bind(r, "AWS_SECRET_ACCESS_KEY", "other.example.com"); }},
      {"keys of two providers",
       [](Response& r) {
         (*r.mutable_static_credential_bindings())["AWS_SECRET_ACCESS_KEY"].set_credential_identity(
             "dev:AWS_SECRET_ACCESS_KEY");
       }},
      {"no secret key",
       [](Response& r) { r.mutable_environment()->erase("AWS_SECRET_ACCESS_KEY"); }},
      {"a malformed host", [](Response& r) { bind(r, "AWS_ACCESS_KEY_ID", "a/b"); }},
      {"a host with a blank", [](Response& r) { bind(r, "AWS_ACCESS_KEY_ID", "a b"); }},
      {"no host", [](Response& r) { bind(r, "AWS_ACCESS_KEY_ID", ""); }},
      {"a port out of range",
       [](Response& r) {
         (*r.mutable_static_credential_bindings())["AWS_ACCESS_KEY_ID"]
             .mutable_endpoints(0)
             ->set_port(70000);
       }},
  };
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      Response response = good();
      c.change(response);
      const ProviderEnvironment got = take_provider_environment(response);
      CHECK(got.credentials.aws.empty());
      REQUIRE(got.problems.size() == 1);
      CHECK(got.problems[0].find("secret-value") == std::string::npos);
      CHECK(got.environment.size() == 1);  // configuration needs no binding
    }
  }
}

TEST_CASE("provider environment: keys are secrets, whatever they are called") {
  Response response = good();
  response.add_non_secret_environment_keys("AWS_SECRET_ACCESS_KEY");
  const ProviderEnvironment got = take_provider_environment(response);
  CHECK(got.environment.size() == 1);
}

TEST_CASE("provider environment: what steers a program comes from no provider") {
  for (const char* name : {"PATH", "LD_PRELOAD", "BASH_ENV", "OPENSHELL_ENDPOINT", "SPIFFE_X"}) {
    CAPTURE(name);
    Response response = good();
    (*response.mutable_environment())[name] = "/tmp/evil";
    response.add_non_secret_environment_keys(name);
    const ProviderEnvironment got = take_provider_environment(response);
    CHECK(got.environment.size() == 1);
    REQUIRE(got.problems.size() == 1);
    CHECK(got.problems[0].starts_with(name));
    CHECK(got.credentials.aws.size() == 1);
  }
}

TEST_CASE("provider environment: nothing attached") {
  Response response;
  const ProviderEnvironment got = take_provider_environment(response);
  CHECK(got.credentials.aws.empty());
  CHECK(got.problems.empty());
}

TEST_CASE("provider environment: a grant goes without TLS to names of a cluster alone") {
  const struct {
    const char *word, *host;
    bool taken, cleartext;
  } cases[] = {{"", "a.example", true, false},         {"cluster", "a.b.svc", true, true},
               {"cluster", "a.example", false, false}, {"loopback", "127.0.0.1", false, false},
               {"loopback", "a.b.svc", false, false},  {"yes", "a.b.svc", false, false}};
  for (const auto& c : cases) {
    CAPTURE(c.word);
    CAPTURE(c.host);
    Response response;
    auto& credential =
        (*response.mutable_dynamic_credentials())[std::string(c.host) + "\t80\t\tidp:token"];
    credential.set_name("token");
    credential.mutable_token_grant()->set_token_endpoint("https://idp.example/token");
    credential.mutable_token_grant()->set_cleartext_endpoints(c.word);
    const ProviderEnvironment got = take_provider_environment(response);
    REQUIRE(got.grants.table.bindings().size() == (c.taken ? 1 : 0));
    if (c.taken) CHECK(got.grants.table.bindings()[0].cleartext == c.cleartext);
    if (c.taken) continue;
    REQUIRE(got.grants.refused.size() == 1);  // and nothing goes there at all
    CHECK(got.grants.refused[0].where->host == c.host);
  }
}
