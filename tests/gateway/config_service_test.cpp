// Policies, settings and inference routes, as users and supervisors call for them.
#include <doctest/doctest.h>

#include <thread>

#include "gateway/rpc/policy_merge.hpp"
#include "inference.grpc.pb.h"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;
using WirePolicy = openshell::sandbox::v1::SandboxPolicy;

namespace {

WirePolicy policy_with(const std::string& name, const std::string& host) {
  WirePolicy policy;
  policy.set_version(1);
  policy.mutable_landlock()->set_compatibility("hard_requirement");
  (*policy.mutable_network_policies())[name] = rule_for(host);
  return policy;
}

v1::UpdateConfigRequest replace(const WirePolicy& policy) {
  v1::UpdateConfigRequest request;
  request.set_name("a");
  *request.mutable_policy() = policy;
  return request;
}

v1::UpdateConfigRequest setting(const std::string& key, bool value) {
  v1::UpdateConfigRequest request;
  request.set_name("a");
  request.set_setting_key(key);
  request.mutable_setting_value()->set_bool_value(value);
  return request;
}

struct ConfigServer : UsersServer {
  openshell::sandbox::v1::GetSandboxConfigResponse config() {
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    REQUIRE(get_config(*stub, token(a), a.id, &response).ok());
    return response;
  }
  StatusCode update(const std::string& bearer, const v1::UpdateConfigRequest& request) {
    return call(&Stub::UpdateConfig, bearer, request).first.error_code();
  }
};

}  // namespace

TEST_CASE("merge: each operation, and what it refuses") {
  WirePolicy policy = policy_with("web", "example.com");
  v1::PolicyMergeOperation operation;
  CHECK(apply(operation, policy).error().code == Code::invalid);
  operation.mutable_add_rule()->set_rule_name("_provider_x");
  *operation.mutable_add_rule()->mutable_rule() = rule_for("other.example");
  CHECK_FALSE(apply(operation, policy));
  operation.mutable_add_rule()->set_rule_name("web");
  CHECK(apply(operation, policy));
  CHECK(apply(operation, policy));  // the same once more changes nothing
  CHECK(policy.network_policies().at("web").endpoints_size() == 2);
  // For other programs: beside the first, so that neither gets the other's endpoints.
  operation.mutable_add_rule()->mutable_rule()->add_binaries()->set_path("/usr/bin/git");
  CHECK(apply(operation, policy));
  CHECK(policy.network_policies().at("web").binaries().empty());
  CHECK(policy.network_policies().at("web-2").binaries(0).path() == "/usr/bin/git");

  operation.mutable_add_deny_rules()->set_host("nowhere.example");
  operation.mutable_add_deny_rules()->set_port(443);
  CHECK_FALSE(apply(operation, policy));
  operation.mutable_add_deny_rules()->set_host("example.com");
  operation.mutable_add_deny_rules()->add_deny_rules()->set_path("/admin/**");
  CHECK(apply(operation, policy));
  CHECK(policy.network_policies().at("web").endpoints(0).deny_rules(0).path() == "/admin/**");

  operation.mutable_remove_binary()->set_rule_name("web-2");
  operation.mutable_remove_binary()->set_binary_path("/usr/bin/svn");
  CHECK_FALSE(apply(operation, policy));
  operation.mutable_remove_binary()->set_binary_path("/usr/bin/git");
  CHECK(apply(operation, policy));
  CHECK(policy.network_policies().count("web-2") == 0);  // not: for every program

  operation.mutable_remove_endpoint()->set_rule_name("web");
  operation.mutable_remove_endpoint()->set_host("example.com");
  operation.mutable_remove_endpoint()->set_port(80);
  CHECK_FALSE(apply(operation, policy));
  operation.mutable_remove_endpoint()->set_port(443);
  CHECK(apply(operation, policy));
  operation.mutable_remove_rule()->set_rule_name("none");
  CHECK_FALSE(apply(operation, policy));
  operation.mutable_remove_rule()->set_rule_name("web");
  CHECK(apply(operation, policy));
  CHECK(policy.network_policies().empty());
}

TEST_CASE("merge: limits, ports, and rules that would widen others") {
  WirePolicy policy = policy_with("web", "example.com");
  (*policy.mutable_network_policies())["web"].mutable_endpoints(0)->set_port(0);
  for (const std::uint32_t port : {443U, 8443U})
    (*policy.mutable_network_policies())["web"].mutable_endpoints(0)->add_ports(port);
  v1::PolicyMergeOperation allow, deny, remove;
  allow.mutable_add_allow_rules()->set_host("example.com");
  allow.mutable_add_allow_rules()->add_rules()->mutable_allow()->set_path("/x");
  deny.mutable_add_deny_rules()->set_host("example.com");
  deny.mutable_add_deny_rules()->add_deny_rules()->set_path("/x");
  remove.mutable_remove_endpoint()->set_rule_name("web");
  remove.mutable_remove_endpoint()->set_host("example.com");
  for (const std::uint32_t port : {0U, 65'536U}) {
    allow.mutable_add_allow_rules()->set_port(port);
    deny.mutable_add_deny_rules()->set_port(port);
    remove.mutable_remove_endpoint()->set_port(port);
    CHECK_FALSE(apply(allow, policy));
    CHECK_FALSE(apply(deny, policy));
    CHECK_FALSE(apply(remove, policy));
  }
  allow.mutable_add_allow_rules()->set_port(8443);
  deny.mutable_add_deny_rules()->set_port(8443);
  CHECK(apply(allow, policy));
  (*policy.mutable_network_policies())["git"] = policy.network_policies().at("web");
  (*policy.mutable_network_policies())["git"].add_binaries()->set_path("/usr/bin/git");
  const auto refused = apply(allow, policy);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::invalid);
  CHECK(refused.error().what.starts_with("2 rules"));
  CHECK(apply(deny, policy));  // less for everybody
  CHECK(policy.network_policies().at("git").endpoints(0).deny_rules_size() == 1);
  while (deny.add_deny_rules().deny_rules_size() <= 100)
    deny.mutable_add_deny_rules()->add_deny_rules()->set_path("/y");
  CHECK_FALSE(apply(deny, policy));
  policy.mutable_network_policies()->erase("git");
  while (allow.add_allow_rules().rules_size() <= 100)
    allow.mutable_add_allow_rules()->add_rules()->mutable_allow()->set_path("/y");
  CHECK_FALSE(apply(allow, policy));
}

TEST_CASE("users: a policy may not grow beyond its limit in between") {
  ConfigServer gateway;
  v1::UpdateConfigRequest merge;
  merge.set_name("a");
  for (const char* name : {"one", "two"}) {
    auto& add = *merge.add_merge_operations()->mutable_add_rule();
    add.set_rule_name(name);
    *add.mutable_rule() = rule_for("example.com");
    for (int i = 0; i < 50; ++i)
      add.mutable_rule()->add_binaries()->set_path("/" + std::string(3000, 'x'));
  }
  for (const char* name : {"one", "two"})
    merge.add_merge_operations()->mutable_remove_rule()->set_rule_name(name);
  CHECK(gateway.update("admin", merge) == StatusCode::INVALID_ARGUMENT);
  merge.mutable_merge_operations()->DeleteSubrange(1, 1);
  merge.mutable_merge_operations()->RemoveLast();
  CHECK(gateway.update("admin", merge) == StatusCode::OK);
}

TEST_CASE("users: annotations are limited as a whole, and none is lost") {
  ConfigServer gateway;
  const auto with_key = [](const std::string& key) {
    v1::UpdateConfigRequest request = replace(policy_with("web", "example.com"));
    (*request.mutable_annotations())[key] = "x";
    return request;
  };
  constexpr int each = 20;
  const auto write = [&](const std::string& prefix) {
    for (int i = 0, attempts = 0; i < each && attempts < 1000; ++attempts)
      if (gateway.update("admin", with_key(prefix + std::to_string(i))) == StatusCode::OK) ++i;
  };
  std::thread other(write, "one");
  write("two");
  other.join();
  CHECK(gateway.store->sandbox_by_id(gateway.a.id)->notes.annotations.size() == 2 * each);

  v1::UpdateConfigRequest many = with_key("more");
  for (int i = 0; i < 100; ++i) (*many.mutable_annotations())["more" + std::to_string(i)] = "x";
  CHECK(gateway.update("admin", many) == StatusCode::INVALID_ARGUMENT);
  CHECK(gateway.store->sandbox_by_id(gateway.a.id)->notes.annotations.size() == 2 * each);
  v1::UpdateConfigRequest stale = with_key("stale");
  stale.set_expected_resource_version(1);
  CHECK(gateway.update("admin", stale) == StatusCode::ABORTED);
}

TEST_CASE("users: a policy's revisions") {
  ConfigServer gateway;
  v1::UpdateConfigRequest request = replace(policy_with("web", "example.com"));
  (*request.mutable_annotations())["ticket"] = "T-1";
  CHECK(gateway.update("user", request) == StatusCode::PERMISSION_DENIED);
  const auto [status, first] = gateway.call(&Stub::UpdateConfig, "admin", request);
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  CHECK(first.version() == 1);
  CHECK(first.annotations().at("ticket") == "T-1");
  CHECK(gateway.config().policy().network_policies().count("web") == 1);

  v1::UpdateConfigRequest merge;
  merge.set_name("a");
  merge.add_merge_operations()->mutable_add_rule()->set_rule_name("more");
  *merge.mutable_merge_operations(0)->mutable_add_rule()->mutable_rule() = rule_for("b.example");
  merge.set_expected_resource_version(99);
  CHECK(gateway.update("admin", merge) == StatusCode::ABORTED);
  merge.clear_expected_resource_version();
  CHECK(gateway.call(&Stub::UpdateConfig, "admin", merge).second.version() == 2);
  CHECK(gateway.config().policy().network_policies_size() == 2);
  *merge.mutable_policy() = policy_with("x", "x.example");
  CHECK(gateway.update("admin", merge) == StatusCode::INVALID_ARGUMENT);  // both

  WirePolicy other_paths = policy_with("web", "example.com");
  other_paths.mutable_filesystem()->add_read_write("/srv");
  CHECK(gateway.update("admin", replace(other_paths)) == StatusCode::INVALID_ARGUMENT);
  v1::UpdateConfigRequest global = replace(policy_with("web", "example.com"));
  global.set_global(true);
  CHECK(gateway.update("admin", global) == StatusCode::UNIMPLEMENTED);

  REQUIRE(gateway.store->set_policy_status(gateway.a.id, {1, "", gateway.clock.now()}));
  v1::GetSandboxPolicyStatusRequest ask;
  ask.set_name("a");
  const auto newest = gateway.call(&Stub::GetSandboxPolicyStatus, "user", ask).second;
  CHECK(newest.active_version() == 1);
  CHECK(newest.revision().version() == 2);
  CHECK(newest.revision().status() == v1::POLICY_STATUS_PENDING);
  ask.set_version(1);
  const auto old = gateway.call(&Stub::GetSandboxPolicyStatus, "user", ask).second.revision();
  CHECK(old.provenance().at("ticket") == "T-1");
  CHECK(old.loaded_at_ms() > 0);
  ask.set_version(7);
  CHECK(gateway.call(&Stub::GetSandboxPolicyStatus, "user", ask).first.error_code() ==
        StatusCode::NOT_FOUND);
  v1::ListSandboxPoliciesRequest list;
  list.set_name("a");
  CHECK(gateway.call(&Stub::ListSandboxPolicies, "user", list).second.revisions(0).version() == 2);
}

TEST_CASE("sandboxes: a supervisor brings the first paths, and nothing else") {
  ConfigServer gateway;
  const std::string token = gateway.token(gateway.a);
  WirePolicy paths;
  paths.set_version(1);
  paths.mutable_filesystem()->add_read_only("/usr");
  v1::UpdateConfigRequest of_b = replace(paths);
  of_b.set_name("b");
  CHECK(gateway.update(token, of_b) == StatusCode::PERMISSION_DENIED);
  of_b.set_name("nobody");
  CHECK(gateway.update(token, of_b) == StatusCode::PERMISSION_DENIED);
  CHECK(gateway.update(token, replace(policy_with("web", "evil.example"))) ==
        StatusCode::PERMISSION_DENIED);
  CHECK(gateway.update(token, setting("ocsf_json_enabled", true)) == StatusCode::PERMISSION_DENIED);
  WirePolicy weaker = paths;
  weaker.mutable_landlock()->set_compatibility("best_effort");
  CHECK(gateway.update(token, replace(weaker)) == StatusCode::PERMISSION_DENIED);
  WirePolicy root = paths;
  root.mutable_process()->set_run_as_user("root");
  CHECK(gateway.update(token, replace(root)) == StatusCode::PERMISSION_DENIED);
  CHECK(gateway.update(token, replace(paths)) == StatusCode::OK);
  CHECK(gateway.config().version() == 1);
  const auto version = [&] { return gateway.store->sandbox_by_id(gateway.a.id)->resource_version; };
  const std::uint64_t before = version();
  CHECK(gateway.call(&Stub::UpdateConfig, token, replace(paths)).second.version() == 1);

  // From now on not even other paths: each would push out one of the operators' revisions.
  WirePolicy more = paths;
  more.mutable_filesystem()->add_read_write("/");
  CHECK(gateway.update(token, replace(more)) == StatusCode::PERMISSION_DENIED);
  CHECK(version() == before);
  WirePolicy written = policy_with("web", "example.com");
  *written.mutable_filesystem() = paths.filesystem();
  REQUIRE(gateway.update("admin", replace(written)) == StatusCode::OK);
  CHECK(gateway.update(token, replace(paths)) == StatusCode::PERMISSION_DENIED);  // an old one
  CHECK(gateway.call(&Stub::UpdateConfig, token, replace(written)).second.version() == 2);
  written.mutable_filesystem()->add_read_only("/lib");
  CHECK(gateway.update(token, replace(written)) == StatusCode::PERMISSION_DENIED);
  CHECK(gateway.store->policies(gateway.a.id)->size() == 2);
}

TEST_CASE("users: settings of the gateway and of one sandbox") {
  ConfigServer gateway;
  const auto before = gateway.config();
  CHECK(before.settings().at("ocsf_json_enabled").scope() ==
        openshell::sandbox::v1::SETTING_SCOPE_UNSPECIFIED);
  v1::UpdateConfigRequest global = setting("ocsf_json_enabled", true);
  global.set_global(true);
  CHECK(gateway.call(&Stub::UpdateConfig, "admin", global).second.settings_revision() == 1);
  const auto with_global = gateway.config();
  CHECK(with_global.settings().at("ocsf_json_enabled").value().bool_value());
  CHECK(with_global.config_revision() != before.config_revision());
  CHECK(gateway.update("admin", setting("ocsf_json_enabled", false)) == StatusCode::OK);
  const auto own = gateway.config().settings().at("ocsf_json_enabled");
  CHECK_FALSE(own.value().bool_value());
  CHECK(own.scope() == openshell::sandbox::v1::SETTING_SCOPE_SANDBOX);

  CHECK(gateway.update("admin", setting("policy", true)) == StatusCode::INVALID_ARGUMENT);
  CHECK(gateway.update("admin", setting("proposal_approval_mode", true)) ==
        StatusCode::INVALID_ARGUMENT);
  v1::UpdateConfigRequest automatic = setting("proposal_approval_mode", true);
  automatic.mutable_setting_value()->set_string_value("auto");
  CHECK(gateway.update("admin", automatic) == StatusCode::UNIMPLEMENTED);
  v1::UpdateConfigRequest none = setting("ocsf_json_enabled", true);
  none.clear_setting_value();
  CHECK(gateway.update("admin", none) == StatusCode::INVALID_ARGUMENT);

  v1::UpdateConfigRequest remove;
  remove.set_setting_key("ocsf_json_enabled");
  remove.set_delete_setting(true);
  remove.set_name("a");
  CHECK(gateway.update("admin", remove) == StatusCode::INVALID_ARGUMENT);  // of a sandbox
  remove.set_global(true);
  CHECK(gateway.call(&Stub::UpdateConfig, "admin", remove).second.deleted());
  CHECK_FALSE(gateway.call(&Stub::UpdateConfig, "admin", remove).second.deleted());
  const auto all = gateway.call(&Stub::GetGatewayConfig, "user", {}).second;
  CHECK(all.settings_size() == 4);
  CHECK(all.settings_revision() == 3);
}

TEST_CASE("inference: a bundle has the routes of the providers that are attached") {
  namespace inf = openshell::inference::v1;
  ConfigServer gateway;
  const auto stub = inf::Inference::NewStub(gateway.channel);
  v1::ImportProviderProfilesRequest import;
  auto& profile = *import.add_profiles()->mutable_profile();
  profile.set_id("model");
  profile.set_inference_capable(true);
  profile.add_credentials()->set_name("key");
  profile.mutable_credentials(0)->add_env_vars("MODEL_KEY");
  profile.add_endpoints()->set_host("models.example");
  profile.mutable_endpoints(0)->set_port(8443);
  profile.mutable_endpoints(0)->set_path("/v1/**");
  profile.mutable_endpoints(0)->set_protocol("rest");
  profile.mutable_endpoints(0)->set_access("full");
  REQUIRE(gateway.call(&Stub::ImportProviderProfiles, "admin", import).second.imported());
  v1::CreateProviderRequest create;
  create.mutable_provider()->mutable_metadata()->set_name("m");
  create.mutable_provider()->set_type("model");
  (*create.mutable_provider()->mutable_credentials())["MODEL_KEY"] = "canary";
  REQUIRE(gateway.call(&Stub::CreateProvider, "admin", create).first.ok());

  inf::SetInferenceRouteRequest set;
  set.set_provider_name("m");
  set.set_model_id("large");
  CHECK(gateway.call(*stub, &inf::Inference::Stub::SetInferenceRoute, "user", set)
            .first.error_code() == StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(*stub, &inf::Inference::Stub::SetInferenceRoute, "admin", set)
            .second.version() == 1);
  set.set_verify(true);
  CHECK(gateway.call(*stub, &inf::Inference::Stub::SetInferenceRoute, "admin", set)
            .first.error_code() == StatusCode::UNIMPLEMENTED);

  const auto bundle = [&](const NewSandboxRow& sandbox) {
    return gateway
        .call(*stub, &inf::Inference::Stub::GetInferenceBundle, gateway.token(sandbox), {})
        .second;
  };
  const auto empty = bundle(gateway.a);
  CHECK(empty.routes().empty());
  REQUIRE(gateway.store->attach("a", "m"));
  const auto full = bundle(gateway.a);
  REQUIRE(full.routes_size() == 1);
  CHECK(full.routes(0).name() == "inference.local");
  CHECK(full.routes(0).base_url() == "https://models.example:8443/v1/");
  CHECK(full.routes(0).api_key() == "canary");
  CHECK(full.revision() != empty.revision());
  CHECK(bundle(gateway.b).routes().empty());
  CHECK(gateway.call(*stub, &inf::Inference::Stub::GetInferenceBundle, "admin", {})
            .first.error_code() == StatusCode::PERMISSION_DENIED);
  CHECK(
      gateway.call(*stub, &inf::Inference::Stub::GetInferenceRoute, "user", {}).second.model_id() ==
      "large");
  CHECK(gateway.call(*stub, &inf::Inference::Stub::DeleteInferenceRoute, "admin", {})
            .second.deleted());
  CHECK(bundle(gateway.a).routes().empty());
}
