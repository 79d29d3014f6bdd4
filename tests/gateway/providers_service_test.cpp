// What users' calls of providers, profiles and sandboxes must keep whole, over a real server.
#include <doctest/doctest.h>

#include <set>

#include "gateway/rpc/profiles.hpp"
#include "gateway/rpc/provider_environment.hpp"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;

namespace {

// Bound to an endpoint of its own, whatever its profile is.
ProviderRow provider(const std::string& name, const std::string& variable) {
  ProviderRow row;
  row.id = random_uuid();
  row.name = name;
  row.type = "generic";
  row.bindings = {name + ".example:443"};
  row.credentials.emplace(variable, Secret("value"));
  return row;
}

v1::ProviderProfileImportItem profile(const std::string& id) {
  v1::ProviderProfileImportItem item;
  item.mutable_profile()->set_id(id);
  auto& credential = *item.mutable_profile()->add_credentials();
  credential.set_name("key");
  credential.add_env_vars("MODEL_KEY");
  auto& endpoint = *item.mutable_profile()->add_endpoints();
  endpoint.set_host("models.example");
  endpoint.set_port(8443);
  return item;
}

v1::CreateProviderRequest model_provider(const std::string& name) {
  v1::CreateProviderRequest request;
  request.mutable_provider()->mutable_metadata()->set_name(name);
  request.mutable_provider()->set_type("model");
  (*request.mutable_provider()->mutable_credentials())["MODEL_KEY"] = "canary";
  return request;
}

StatusCode attach(UsersServer& gateway, const std::string& name, std::uint64_t expected = 0) {
  v1::AttachSandboxProviderRequest request;
  request.set_sandbox_name("a");
  request.set_provider_name(name);
  request.set_expected_resource_version(expected);
  return gateway.call(&Stub::AttachSandboxProvider, "user", request).first.error_code();
}

v1::GetSandboxProviderEnvironmentResponse environment_of(UsersServer& gateway) {
  v1::GetSandboxProviderEnvironmentRequest request;
  request.set_sandbox_id(gateway.a.id);
  request.set_supports_static_credential_bindings(true);
  const auto [status, response] =
      gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.a), request);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  return response;
}

struct NoPeer final : SessionPeer {
  void accepted(const std::string&) override {}
  void ask_for_relay(const std::string&, const RelayTarget&) override {}
  void superseded() override {}
};

}  // namespace

TEST_CASE("providers: nothing but a supervisor's environment unseals a secret") {
  UsersServer gateway;
  REQUIRE(gateway.store->create_provider(provider("one", "ONE")));
  REQUIRE(gateway.store->create_provider(provider("two", "TWO")));
  gateway.database.change("UPDATE providers SET credentials = ''");  // nothing that could be opened
  CHECK(attach(gateway, "one") == StatusCode::OK);
  CHECK(attach(gateway, "two") == StatusCode::OK);
  v1::CreateSandboxRequest create;
  create.set_name("c");
  create.mutable_spec()->add_providers("one");
  CHECK(gateway.call(&Stub::CreateSandbox, "user", create).first.ok());
  v1::ListSandboxesRequest list;
  CHECK(gateway.call(&Stub::ListSandboxes, "user", list)
            .second.sandboxes(0)
            .spec()
            .providers_size() == 2);
  v1::ListProvidersRequest providers;
  CHECK(gateway.call(&Stub::ListProviders, "user", providers)
            .second.providers(0)
            .credentials()
            .at("ONE") == "REDACTED");
  CHECK(get_config(*gateway.stub, gateway.token(gateway.a), gateway.a.id).ok());
}

TEST_CASE("providers: what was got can be changed and sent back") {
  UsersServer gateway;
  v1::ImportProviderProfilesRequest import;
  *import.add_profiles() = profile("model");
  REQUIRE(gateway.call(&Stub::ImportProviderProfiles, "admin", import).second.imported());
  auto create = model_provider("m");
  (*create.mutable_provider()->mutable_credentials())["MODEL_KEY"] = "REDACTED";
  CHECK(gateway.call(&Stub::CreateProvider, "admin", create).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
  create = model_provider("m");
  (*create.mutable_provider()->mutable_config())["MODEL_KEY"] = "both";
  CHECK(gateway.call(&Stub::CreateProvider, "admin", create).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
  REQUIRE(gateway.call(&Stub::CreateProvider, "admin", model_provider("m")).first.ok());
  REQUIRE(attach(gateway, "m") == StatusCode::OK);

  v1::GetProviderRequest get;
  get.set_name("m");
  v1::UpdateProviderRequest update;
  *update.mutable_provider() = gateway.call(&Stub::GetProvider, "admin", get).second.provider();
  (*update.mutable_provider()->mutable_config())["MODEL_REGION"] = "eu";
  const auto before = environment_of(gateway);
  const auto [status, updated] = gateway.call(&Stub::UpdateProvider, "admin", update);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  const auto after = environment_of(gateway);
  CHECK(after.environment().at("MODEL_KEY") == "canary");
  CHECK(after.environment().at("MODEL_REGION") == "eu");
  CHECK(after.provider_env_revision() != before.provider_env_revision());

  // Configuration that another provider of the sandbox sets.
  ProviderRow other = provider("other", "OTHER");
  other.config["OTHER_REGION"] = "us";
  REQUIRE(gateway.store->create_provider(other));
  REQUIRE(attach(gateway, "other") == StatusCode::OK);
  update.mutable_provider()->mutable_metadata()->set_resource_version(0);
  (*update.mutable_provider()->mutable_config())["OTHER_REGION"] = "eu";
  const grpc::Status refused = gateway.call(&Stub::UpdateProvider, "admin", update).first;
  CHECK(refused.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(refused.error_message().find("OTHER_REGION") != std::string::npos);
  CHECK(environment_of(gateway).environment().at("OTHER_REGION") == "us");
}

TEST_CASE("providers: the revision tells nothing of the secrets") {
  const auto revision = [](const char* secret) {
    BoundProviders<ProviderRow> bound;
    bound.rows.push_back(provider("m", "KEY"));
    bound.rows.back().id = "the same";
    bound.rows.back().credentials.at("KEY") = Secret(secret);
    v1::GetSandboxProviderEnvironmentResponse response;
    REQUIRE(fill_provider_environment(bound, {{}, true, true, true}, response));
    return response.provider_env_revision();
  };
  CHECK(revision("hunter2") == revision("letmein"));
}

TEST_CASE("providers: a profile that is gone takes nothing else away") {
  UsersServer gateway;
  ProviderRow orphan = provider("orphan", "ORPHAN");
  orphan.type = "gone";
  orphan.bindings.clear();
  REQUIRE(gateway.store->create_provider(orphan));
  REQUIRE(gateway.store->create_provider(provider("whole", "WHOLE")));
  REQUIRE(attach(gateway, "orphan") == StatusCode::OK);
  REQUIRE(attach(gateway, "whole") == StatusCode::OK);
  CHECK(get_config(*gateway.stub, gateway.token(gateway.a), gateway.a.id).ok());
  const auto given = environment_of(gateway);
  CHECK(given.environment().count("WHOLE") == 1);
  CHECK(given.environment().count("ORPHAN") == 0);
}

TEST_CASE("profiles: none is taken from under a provider") {
  UsersServer gateway;
  v1::ImportProviderProfilesRequest import;
  *import.add_profiles() = profile("model");
  REQUIRE(gateway.call(&Stub::ImportProviderProfiles, "admin", import).second.imported());
  const auto read = find_profile(*gateway.store, "model");
  REQUIRE(read);
  REQUIRE(gateway.call(&Stub::CreateProvider, "admin", model_provider("m")).first.ok());

  v1::UpdateProviderProfilesRequest update;
  update.set_id("model");
  update.set_expected_resource_version(1);
  using Change = void (*)(v1::ProviderProfile&);
  const struct {
    const char* field;
    Change change;
  } cases[] = {{"endpoints", [](auto& p) { p.clear_endpoints(); }},
               {"credentials", [](auto& p) { p.mutable_credentials(0)->set_env_vars(0, "X"); }}};
  for (const auto& c : cases) {
    CAPTURE(c.field);
    *update.mutable_profile() = profile("model");
    c.change(*update.mutable_profile()->mutable_profile());
    const auto answer = gateway.call(&Stub::UpdateProviderProfiles, "admin", update).second;
    CHECK_FALSE(answer.updated());
    REQUIRE(answer.diagnostics_size() == 1);
    CHECK(answer.diagnostics(0).field() == c.field);
  }
  *update.mutable_profile() = profile("model");
  update.set_expected_resource_version(std::uint64_t{1} << 63);
  CHECK(gateway.call(&Stub::UpdateProviderProfiles, "admin", update).first.error_code() ==
        StatusCode::ABORTED);

  v1::DeleteProviderProfileRequest remove;
  remove.set_id("model");
  CHECK(gateway.call(&Stub::DeleteProviderProfile, "admin", remove).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);
  REQUIRE(*gateway.store->delete_provider("m"));
  REQUIRE(gateway.call(&Stub::DeleteProviderProfile, "admin", remove).second.deleted());
  // A provider that was checked before that.
  ProviderRow late = provider("late", "MODEL_KEY");
  late.type = "model";
  CHECK(gateway.store->create_provider(late, version_of(*read)).error().code == Code::precondition);
}

TEST_CASE("profiles: bound where the policy sees an endpoint, and named in whole characters") {
  UsersServer gateway;
  v1::ProviderProfileImportItem item = profile("model");
  item.mutable_profile()->mutable_endpoints(0)->add_ports(9443);
  CHECK(bindings_of(item.profile()) == std::vector<std::string>{"models.example:9443"});
  item.mutable_profile()->mutable_credentials(0)->set_name(std::string(63, 'x') + "\u00e9");
  item.mutable_profile()->mutable_credentials(0)->clear_env_vars();
  v1::LintProviderProfilesRequest request;
  *request.add_profiles() = item;
  const auto [status, answer] = gateway.call(&Stub::LintProviderProfiles, "user", request);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  REQUIRE(answer.diagnostics_size() == 1);
  CHECK(answer.diagnostics(0).field() == "credentials." + std::string(63, 'x') + ".env_vars");
}

TEST_CASE("users: who may not call is refused before the database is asked") {
  UsersServer gateway;
  gateway.database.change("ALTER TABLE sandboxes RENAME TO hidden");
  v1::GetSandboxRequest get;
  get.set_name("a");
  CHECK(gateway.call(&Stub::GetSandbox, "", get).first.error_code() == StatusCode::UNAUTHENTICATED);
  v1::ClearDraftChunksRequest clear;  // needs an admin
  clear.set_name("a");
  CHECK(gateway.call(&Stub::ClearDraftChunks, "user", clear).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(&Stub::GetSandbox, "user", get).first.error_code() == StatusCode::INTERNAL);
}

TEST_CASE("audit: tells what a call is about, and never much of what anybody sends") {
  UsersServer gateway;
  v1::DeleteProviderRequest remove;
  remove.set_name("prod-keys");
  CHECK(gateway.call(&Stub::DeleteProvider, "admin", remove).first.ok());
  CHECK(gateway.call(&Stub::DeleteProvider, "user", remove).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  const std::string trail = slurp(gateway.directory / "audit.jsonl");
  const std::string target = R"("resources":[{"name":"prod-keys"}])";
  CHECK(trail.find(target) != std::string::npos);
  CHECK(trail.find(target) != trail.rfind(target));
  CHECK(attach(gateway, "prod-keys") == StatusCode::NOT_FOUND);
  CHECK(slurp(gateway.directory / "audit.jsonl").find(R"({"name":"a/prod-keys"})") !=
        std::string::npos);

  const auto size = [&] { return slurp(gateway.directory / "audit.jsonl").size(); };
  const std::size_t before = size();
  const std::string huge(500'000, 'x');
  v1::GetSandboxRequest get;
  get.set_name(huge);
  CHECK(gateway.call(&Stub::GetSandbox, "", get).first.error_code() == StatusCode::UNAUTHENTICATED);
  CHECK(get_config(*gateway.stub, "", huge).error_code() == StatusCode::UNAUTHENTICATED);
  CHECK(size() - before < 2000);
}

TEST_CASE("sandboxes: a list stops before its answer is too long, and goes on from there") {
  UsersServer gateway;
  constexpr int count = 18;
  NewSandboxRow row = sandbox_row("");
  row.notes.annotations["example.com/long"] = std::string(250'000, 'x');
  row.notes.labels["size"] = "big";
  for (int i = 0; i < count; ++i) {
    row.id = random_uuid();
    row.name = "box-" + std::to_string(100 + i);
    REQUIRE(gateway.store->create_sandbox(row, {}));
  }
  for (const char* selector : {"", "size=big"}) {
    CAPTURE(selector);
    v1::ListSandboxesRequest request;
    request.set_label_selector(selector);
    request.set_limit(1000);
    std::set<std::string> names;
    for (int pages = 0;; ++pages) {
      REQUIRE(pages < 5);
      request.set_offset(static_cast<std::uint32_t>(names.size()));
      const auto [status, page] = gateway.call(&Stub::ListSandboxes, "user", request);
      REQUIRE_MESSAGE(status.ok(), status.error_message());
      if (page.sandboxes().empty()) break;
      for (const auto& sandbox : page.sandboxes()) names.insert(sandbox.metadata().name());
    }
    CHECK(names.size() == count + (*selector == '\0' ? 2 : 0));
  }
}

TEST_CASE("sandboxes: names that no database could tell apart, and versions that cannot be") {
  UsersServer gateway;
  v1::GetSandboxRequest get;
  get.set_name(std::string("a\0b", 3));
  CHECK(gateway.call(&Stub::GetSandbox, "user", get).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
  CHECK(attach(gateway, std::string("p\0", 2)) == StatusCode::INVALID_ARGUMENT);
  REQUIRE(gateway.store->create_provider(provider("p", "P")));
  for (const int bit : {40, 62, 63})
    CHECK(attach(gateway, "p", std::uint64_t{1} << bit) == StatusCode::ABORTED);
  CHECK(attach(gateway, "p", 1) == StatusCode::OK);
}

TEST_CASE("sandboxes: an exit that a run reports after another one has followed it") {
  UsersServer gateway;
  NoPeer peer;
  REQUIRE(gateway.sessions.open({gateway.a.id, "two"}, peer, gateway.clock.now()));
  const auto report = [&](const char* instance) {
    v1::ReportMainProcessExitRequest request;
    request.set_sandbox_id(gateway.a.id);
    request.set_instance_id(instance);
    request.set_exit_code(1);
    return gateway.call(&Stub::ReportMainProcessExit, gateway.token(gateway.a), request)
        .first.error_code();
  };
  CHECK(report("one") == StatusCode::FAILED_PRECONDITION);
  CHECK_FALSE(gateway.store->sandbox_by_id(gateway.a.id)->exit);
  CHECK(report("two") == StatusCode::OK);
  gateway.sessions.close(gateway.a.id, peer);
  CHECK(report("three") == StatusCode::OK);
}
