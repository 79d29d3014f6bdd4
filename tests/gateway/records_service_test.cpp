// Sandboxes, providers and profiles, as users call for them.
#include <doctest/doctest.h>

#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;

namespace {

v1::CreateSandboxRequest sandbox_request(const std::string& name) {
  v1::CreateSandboxRequest request;
  request.set_name(name);
  request.mutable_spec();
  return request;
}

v1::CreateProviderRequest aws_provider(const std::string& name) {
  v1::CreateProviderRequest request;
  request.mutable_provider()->mutable_metadata()->set_name(name);
  request.mutable_provider()->set_type("aws");
  (*request.mutable_provider()->mutable_credentials())["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLE";
  (*request.mutable_provider()->mutable_credentials())["AWS_SECRET_ACCESS_KEY"] = "canary-secret";
  return request;
}

v1::ProviderProfileImportItem profile(const std::string& id) {
  v1::ProviderProfileImportItem item;
  item.mutable_profile()->set_id(id);
  auto& credential = *item.mutable_profile()->add_credentials();
  credential.set_name("key");
  credential.add_env_vars("MODEL_KEY");
  credential.set_required(true);
  auto& endpoint = *item.mutable_profile()->add_endpoints();
  endpoint.set_host("models.example");
  endpoint.set_port(8443);
  endpoint.set_path("/v1/**");
  endpoint.set_protocol("rest");
  endpoint.set_access("full");
  return item;
}

}  // namespace

TEST_CASE("users: a sandbox's record from its creation to its end") {
  UsersServer gateway;
  v1::CreateSandboxRequest request = sandbox_request("box");
  (*request.mutable_labels())["team"] = "blue";
  (*request.mutable_annotations())["example.com/why"] = "a test";
  (*request.mutable_spec()->mutable_environment())["LANG"] = "C";
  request.mutable_spec()->mutable_policy()->set_version(1);
  (*request.mutable_spec()->mutable_policy()->mutable_network_policies())["web"] =
      rule_for("example.com");
  const auto [status, made] = gateway.call(&Stub::CreateSandbox, "user", request);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  const v1::Sandbox& box = made.sandbox();
  CHECK(box.metadata().workspace() == "default");
  CHECK(box.metadata().labels().at("team") == "blue");
  CHECK(box.metadata().annotations().at("example.com/why") == "a test");
  CHECK(box.spec().environment().at("LANG") == "C");
  CHECK(box.spec().command(0) == "/bin/bash");
  CHECK(box.spec().tty());
  CHECK(box.spec().policy().network_policies().count("web") == 1);
  CHECK(box.status().phase() == v1::SANDBOX_PHASE_PROVISIONING);
  CHECK(box.status().current_policy_version() == 1);

  CHECK(gateway.call(&Stub::CreateSandbox, "user", request).first.error_code() ==
        StatusCode::ALREADY_EXISTS);
  v1::ListSandboxesRequest list;
  list.set_label_selector("team=blue");
  CHECK(gateway.call(&Stub::ListSandboxes, "user", list).second.sandboxes_size() == 1);
  list.set_label_selector("team=red");
  CHECK(gateway.call(&Stub::ListSandboxes, "user", list).second.sandboxes_size() == 0);
  list.clear_label_selector();
  list.set_limit(1);
  list.set_offset(1);
  CHECK(gateway.call(&Stub::ListSandboxes, "user", list).second.sandboxes(0).metadata().name() ==
        "b");

  REQUIRE(gateway.store->set_exit(box.metadata().id(), {"i-1", 137, gateway.clock.now()}));
  v1::GetSandboxRequest get;
  get.set_name("box");
  const auto ended = gateway.call(&Stub::GetSandbox, "user", get).second.sandbox().status();
  CHECK(ended.phase() == v1::SANDBOX_PHASE_ERROR);
  CHECK(ended.exit_code() == 137);
  CHECK(ended.conditions(0).reason() == "MainProcessExited");

  const std::string token(
      gateway.issuer.issue(box.metadata().id(), gateway.clock.now())->token.reveal());
  CHECK(get_config(*gateway.stub, token, box.metadata().id()).ok());
  v1::DeleteSandboxRequest remove;
  remove.set_name("box");
  CHECK(gateway.call(&Stub::DeleteSandbox, "user", remove).second.deleted());
  CHECK(gateway.call(&Stub::DeleteSandbox, "user", remove).first.error_code() ==
        StatusCode::NOT_FOUND);
  CHECK(get_config(*gateway.stub, token, box.metadata().id()).error_code() ==
        StatusCode::UNAUTHENTICATED);
}

TEST_CASE("users: what a sandbox may not be asked to be") {
  UsersServer gateway;
  using Change = void (*)(v1::CreateSandboxRequest&);
  struct {
    const char* what;
    Change change;
    StatusCode code;
  } const cases[] = {
      {"no spec", [](auto& r) { r.clear_spec(); }, StatusCode::INVALID_ARGUMENT},
      {"bad name", [](auto& r) { r.set_name("Box"); }, StatusCode::INVALID_ARGUMENT},
      {"another workspace", [](auto& r) { r.set_workspace("other"); }, StatusCode::NOT_FOUND},
      {"reserved variable",
       [](auto& r) { (*r.mutable_spec()->mutable_environment())["OPENSHELL_SANDBOX"] = "x"; },
       StatusCode::INVALID_ARGUMENT},
      {"line feed in a value",
       [](auto& r) { (*r.mutable_spec()->mutable_environment())["A"] = "x\ny"; },
       StatusCode::INVALID_ARGUMENT},
      {"long value",
       [](auto& r) { (*r.mutable_spec()->mutable_environment())["A"] = std::string(8193, 'x'); },
       StatusCode::INVALID_ARGUMENT},
      {"NUL in an argument", [](auto& r) { r.mutable_spec()->add_command(std::string("a\0b", 3)); },
       StatusCode::INVALID_ARGUMENT},
      {"empty first argument", [](auto& r) { r.mutable_spec()->add_command(""); },
       StatusCode::INVALID_ARGUMENT},
      {"no GPU",
       [](auto& r) {
         r.mutable_spec()->mutable_resource_requirements()->mutable_gpu()->set_count(0);
       },
       StatusCode::INVALID_ARGUMENT},
      {"bad label", [](auto& r) { (*r.mutable_labels())["-x"] = "y"; },
       StatusCode::INVALID_ARGUMENT},
      {"bad label value", [](auto& r) { (*r.mutable_labels())["x"] = "a b"; },
       StatusCode::INVALID_ARGUMENT},
      {"unknown provider", [](auto& r) { r.mutable_spec()->add_providers("none"); },
       StatusCode::FAILED_PRECONDITION},
      {"reserved rule",
       [](auto& r) {
         r.mutable_spec()->mutable_policy()->set_version(1);
         (*r.mutable_spec()->mutable_policy()->mutable_network_policies())["_provider_x"] =
             rule_for("example.com");
       },
       StatusCode::INVALID_ARGUMENT},
      {"policy that cannot be served",
       [](auto& r) {
         r.mutable_spec()->mutable_policy()->set_version(1);
         auto rule = rule_for("example.com");
         rule.mutable_endpoints(0)->set_protocol("sql");
         (*r.mutable_spec()->mutable_policy()->mutable_network_policies())["x"] = rule;
       },
       StatusCode::INVALID_ARGUMENT}};
  for (const auto& c : cases) {
    CAPTURE(c.what);
    v1::CreateSandboxRequest request = sandbox_request("new");
    c.change(request);
    const auto status = gateway.call(&Stub::CreateSandbox, "admin", request).first;
    CHECK((status.error_code() == c.code || status.error_code() == StatusCode::UNIMPLEMENTED));
    CHECK_FALSE(status.error_message().empty());
  }
  CHECK(gateway.store->sandboxes()->size() == 2);
}

TEST_CASE("users: providers, whose secrets never come back") {
  UsersServer gateway;
  CHECK(gateway.call(&Stub::CreateProvider, "user", aws_provider("p")).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  const auto [status, made] = gateway.call(&Stub::CreateProvider, "admin", aws_provider("p"));
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  CHECK(made.provider().credentials().at("AWS_SECRET_ACCESS_KEY") == "REDACTED");
  CHECK(made.provider().metadata().resource_version() == 1);

  v1::AttachSandboxProviderRequest attach;
  attach.set_sandbox_name("a");
  attach.set_provider_name("p");
  attach.set_expected_resource_version(7);
  CHECK(gateway.call(&Stub::AttachSandboxProvider, "user", attach).first.error_code() ==
        StatusCode::ABORTED);
  attach.set_expected_resource_version(0);
  const auto attached = gateway.call(&Stub::AttachSandboxProvider, "user", attach).second;
  CHECK(attached.attached());
  CHECK(attached.sandbox().spec().providers(0) == "p");
  CHECK_FALSE(gateway.call(&Stub::AttachSandboxProvider, "user", attach).second.attached());

  // The supervisor gets the key with the profile's endpoints.
  v1::GetSandboxProviderEnvironmentRequest environment;
  environment.set_sandbox_id(gateway.a.id);
  environment.set_supports_static_credential_bindings(true);
  const auto given =
      gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.a), environment)
          .second;
  CHECK(given.environment().at("AWS_SECRET_ACCESS_KEY") == "canary-secret");
  CHECK(given.static_credential_bindings().at("AWS_ACCESS_KEY_ID").endpoints(0).host() ==
        "**.amazonaws.com");
  CHECK(
      gateway.call(&Stub::GetSandboxProviderEnvironment, "admin", environment).first.error_code() ==
      StatusCode::PERMISSION_DENIED);

  v1::UpdateProviderRequest update;
  update.mutable_provider()->mutable_metadata()->set_name("p");
  update.mutable_provider()->mutable_metadata()->set_resource_version(9);
  (*update.mutable_provider()->mutable_credentials())["AWS_SESSION_TOKEN"] = "canary-session";
  (*update.mutable_credential_expires_at_ms())["AWS_SESSION_TOKEN"] = 1'900'000'000'000;
  CHECK(gateway.call(&Stub::UpdateProvider, "admin", update).first.error_code() ==
        StatusCode::ABORTED);
  update.mutable_provider()->mutable_metadata()->set_resource_version(1);
  const auto updated = gateway.call(&Stub::UpdateProvider, "admin", update).second.provider();
  CHECK(updated.metadata().resource_version() == 2);
  CHECK(updated.credentials_size() == 3);
  CHECK(updated.credential_expires_at_ms().at("AWS_SESSION_TOKEN") == 1'900'000'000'000);
  update.mutable_provider()->mutable_metadata()->set_resource_version(0);
  (*update.mutable_provider()->mutable_credentials())["AWS_SESSION_TOKEN"] = "";  // deletes
  update.clear_credential_expires_at_ms();
  CHECK(gateway.call(&Stub::UpdateProvider, "admin", update).second.provider().credentials_size() ==
        2);
  update.mutable_provider()->set_type("generic");
  CHECK(gateway.call(&Stub::UpdateProvider, "admin", update).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);

  v1::DeleteProviderRequest remove;
  remove.set_name("p");
  const auto in_use = gateway.call(&Stub::DeleteProvider, "admin", remove).first;
  CHECK(in_use.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(in_use.error_message().starts_with("provider 'p' is attached to sandbox(es): a;"));
  v1::DetachSandboxProviderRequest detach;
  detach.set_sandbox_name("a");
  detach.set_provider_name("p");
  CHECK(gateway.call(&Stub::DetachSandboxProvider, "user", detach).second.detached());
  CHECK(gateway.call(&Stub::DeleteProvider, "admin", remove).second.deleted());
  CHECK_FALSE(gateway.call(&Stub::DeleteProvider, "admin", remove).second.deleted());
  CHECK(slurp(gateway.directory / "audit.jsonl").find("canary") == std::string::npos);
}

TEST_CASE("users: what a provider may not be") {
  UsersServer gateway;
  using Change = void (*)(v1::CreateProviderRequest&);
  struct {
    const char* what;
    Change change;
  } const cases[] = {
      {"no provider", [](auto& r) { r.clear_provider(); }},
      {"no type", [](auto& r) { r.mutable_provider()->clear_type(); }},
      {"unknown type", [](auto& r) { r.mutable_provider()->set_type("nobody"); }},
      {"no credentials", [](auto& r) { r.mutable_provider()->clear_credentials(); }},
      {"a part of them",
       [](auto& r) { r.mutable_provider()->mutable_credentials()->erase("AWS_ACCESS_KEY_ID"); }},
      {"a foreign one",
       [](auto& r) { (*r.mutable_provider()->mutable_credentials())["OTHER"] = "x"; }},
      {"control bytes",
       [](auto& r) {
         (*r.mutable_provider()->mutable_credentials())["AWS_SECRET_ACCESS_KEY"] = "a\r\nb";
       }},
      {"unbound", [](auto& r) { r.mutable_provider()->set_type("generic"); }},
      {"steers the loader",
       [](auto& r) { (*r.mutable_provider()->mutable_config())["LD_PRELOAD"] = "x"; }},
      {"handles", [](auto& r) { (*r.mutable_provider()->mutable_credential_handles())["x"]; }},
      {"expiry of nothing",
       [](auto& r) { (*r.mutable_provider()->mutable_credential_expires_at_ms())["x"] = 5; }}};
  for (const auto& c : cases) {
    CAPTURE(c.what);
    v1::CreateProviderRequest request = aws_provider("p");
    c.change(request);
    const auto status = gateway.call(&Stub::CreateProvider, "admin", request).first;
    CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK(status.error_message().find("canary") == std::string::npos);
  }
  CHECK(gateway.store->outlines()->empty());
}

TEST_CASE("users: profiles say where a provider's credentials may be used") {
  UsersServer gateway;
  v1::ImportProviderProfilesRequest import;
  *import.add_profiles() = profile("model");
  const auto [status, imported] = gateway.call(&Stub::ImportProviderProfiles, "admin", import);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  REQUIRE(imported.imported());
  CHECK(imported.profiles(0).source() == "user");
  CHECK_FALSE(gateway.call(&Stub::ImportProviderProfiles, "admin", import).second.imported());

  v1::CreateProviderRequest create;
  create.mutable_provider()->mutable_metadata()->set_name("m");
  create.mutable_provider()->set_type("model");
  (*create.mutable_provider()->mutable_credentials())["MODEL_KEY"] = "canary";
  REQUIRE(gateway.call(&Stub::CreateProvider, "admin", create).first.ok());
  REQUIRE(gateway.store->attach("a", "m"));
  v1::GetSandboxProviderEnvironmentRequest environment;
  environment.set_sandbox_id(gateway.a.id);
  environment.set_supports_static_credential_bindings(true);
  const auto given = [&] {
    return gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.a), environment)
        .second;
  };
  const auto before = given();
  const auto binding = before.static_credential_bindings().at("MODEL_KEY").endpoints(0);
  CHECK(binding.host() == "models.example");
  CHECK(binding.port() == 8443);
  CHECK(binding.path() == "/v1/**");

  v1::UpdateProviderProfilesRequest update;
  update.set_id("model");
  *update.mutable_profile() = profile("model");
  CHECK(gateway.call(&Stub::UpdateProviderProfiles, "admin", update).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);  // no version
  update.set_expected_resource_version(5);
  CHECK(gateway.call(&Stub::UpdateProviderProfiles, "admin", update).first.error_code() ==
        StatusCode::ABORTED);
  update.set_expected_resource_version(1);
  update.mutable_profile()->mutable_profile()->mutable_endpoints(0)->set_host("other.example");
  CHECK(gateway.call(&Stub::UpdateProviderProfiles, "admin", update).second.updated());
  const auto after = given();
  CHECK(after.static_credential_bindings().at("MODEL_KEY").endpoints(0).host() == "other.example");
  CHECK(after.provider_env_revision() != before.provider_env_revision());

  v1::DeleteProviderProfileRequest remove;
  remove.set_id("model");
  CHECK(gateway.call(&Stub::DeleteProviderProfile, "admin", remove).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);
  remove.set_id("aws");
  CHECK(gateway.call(&Stub::DeleteProviderProfile, "admin", remove).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);
  CHECK(gateway.call(&Stub::ListProviderProfiles, "user", {}).second.profiles_size() == 3);
}

TEST_CASE("users: a profile that cannot be served is refused by name") {
  UsersServer gateway;
  using Change = void (*)(v1::ProviderProfile&);
  struct {
    const char* field;
    Change change;
  } const cases[] = {
      {"id", [](auto& p) { p.set_id("Model"); }},
      {"id", [](auto& p) { p.set_id("aws"); }},
      {"credentials.key.token_grant",
       [](auto& p) { p.mutable_credentials(0)->mutable_token_grant()->set_audience("a"); }},
      {"credentials.key.query_param",
       [](auto& p) { p.mutable_credentials(0)->set_query_param("q"); }},
      {"credentials.key.path_template",
       [](auto& p) { p.mutable_credentials(0)->set_path_template("/x"); }},
      {"credentials.key.refresh.strategy",
       [](auto& p) {
         p.mutable_credentials(0)->mutable_refresh()->set_strategy(
             v1::PROVIDER_CREDENTIAL_REFRESH_STRATEGY_OAUTH2_REFRESH_TOKEN);
       }},
      {"credentials.key.env_vars",
       [](auto& p) { p.mutable_credentials(0)->add_env_vars("LD_PRELOAD"); }},
      {"credentials.key.env_vars", [](auto& p) { p.mutable_credentials(0)->clear_env_vars(); }},
      {"credentials.key", [](auto& p) { *p.add_credentials() = p.credentials(0); }},
      {"endpoints", [](auto& p) { p.mutable_endpoints(0)->set_host("bad host"); }},
      {"endpoints", [](auto& p) { p.mutable_endpoints(0)->set_port(0); }}};
  for (const auto& c : cases) {
    CAPTURE(c.field);
    v1::LintProviderProfilesRequest request;
    *request.add_profiles() = profile("model");
    c.change(*request.mutable_profiles(0)->mutable_profile());
    const auto answer = gateway.call(&Stub::LintProviderProfiles, "user", request).second;
    CHECK_FALSE(answer.valid());
    const auto& found = answer.diagnostics();
    CHECK(std::any_of(found.begin(), found.end(), [&](const auto& each) {
      return each.field() == c.field && each.severity() == "error" && !each.message().empty();
    }));
  }
}
