// Policies, settings, drafts and inference routes, as users and supervisors call for them.
#include <doctest/doctest.h>

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

TEST_CASE("sandboxes: a supervisor brings paths, and never a network rule") {
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
  CHECK(gateway.update(token, replace(paths)) == StatusCode::OK);
  CHECK(gateway.config().version() == 1);

  // Later: what an operator wrote stays as it is.
  WirePolicy written = policy_with("web", "example.com");
  written.mutable_filesystem()->add_read_only("/usr");
  REQUIRE(gateway.update("admin", replace(written)) == StatusCode::OK);
  written.mutable_filesystem()->add_read_only("/lib");
  CHECK(gateway.update(token, replace(written)) == StatusCode::OK);
  (*written.mutable_network_policies())["web"].add_endpoints()->set_host("evil.example");
  (*written.mutable_network_policies())["web"].mutable_endpoints(1)->set_port(443);
  CHECK(gateway.update(token, replace(written)) == StatusCode::PERMISSION_DENIED);
  written.mutable_network_policies()->clear();
  CHECK(gateway.update(token, replace(written)) == StatusCode::PERMISSION_DENIED);
  written = policy_with("web", "example.com");
  written.mutable_process()->set_run_as_user("root");
  CHECK(gateway.update(token, replace(written)) == StatusCode::PERMISSION_DENIED);
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

TEST_CASE("drafts: proposals grant nothing until they are approved") {
  ConfigServer gateway;
  const std::string token = gateway.token(gateway.a);
  v1::SubmitPolicyAnalysisRequest submit;
  submit.set_name("a");
  submit.set_analysis_mode("mechanistic");
  auto& chunk = *submit.add_proposed_chunks();
  chunk.set_rule_name("api");
  *chunk.mutable_proposed_rule() = rule_for("api.example");
  chunk.set_status("approved");  // not the proposer's to say
  submit.add_proposed_chunks()->set_rule_name("empty");
  auto& reserved = *submit.add_proposed_chunks();
  reserved.set_rule_name("_provider_x");
  *reserved.mutable_proposed_rule() = rule_for("x.example");
  auto& broken = *submit.add_proposed_chunks();
  broken.set_rule_name("broken");
  *broken.mutable_proposed_rule() = rule_for("bad host");
  v1::SubmitPolicyAnalysisRequest foreign = submit;
  foreign.set_name("b");
  CHECK(gateway.call(&Stub::SubmitPolicyAnalysis, token, foreign).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(&Stub::SubmitPolicyAnalysis, "admin", submit).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  const auto taken = gateway.call(&Stub::SubmitPolicyAnalysis, token, submit).second;
  CHECK(taken.accepted_chunks() == 1);
  CHECK(taken.rejected_chunks() == 3);
  CHECK(taken.rejection_reasons_size() == 3);
  CHECK(gateway.call(&Stub::SubmitPolicyAnalysis, token, submit).second.accepted_chunk_ids(0) ==
        taken.accepted_chunk_ids(0));  // folded
  CHECK(gateway.config().version() == 0);

  v1::GetDraftPolicyRequest get;
  get.set_name("a");
  const auto draft = [&] { return gateway.call(&Stub::GetDraftPolicy, "user", get).second; };
  const auto pending = draft();
  REQUIRE(pending.chunks_size() == 1);
  CHECK(pending.chunks(0).status() == "pending");
  CHECK(pending.chunks(0).hit_count() == 2);
  CHECK(pending.chunks(0).validation_result() == "valid");
  const std::string id = pending.chunks(0).id(), seen = pending.chunks(0).review_token();

  // What changes under a reviewer's eyes is looked at again.
  v1::EditDraftChunkRequest edit;
  edit.set_name("a");
  edit.set_chunk_id(id);
  *edit.mutable_proposed_rule() = rule_for("bad host");
  CHECK_FALSE(gateway.call(&Stub::EditDraftChunk, "admin", edit).first.ok());
  *edit.mutable_proposed_rule() = rule_for("api2.example");
  CHECK(gateway.call(&Stub::EditDraftChunk, "admin", edit).first.ok());
  v1::ApproveDraftChunkRequest approve;
  approve.set_name("a");
  approve.set_chunk_id(id);
  approve.set_review_token(seen);
  CHECK(gateway.call(&Stub::ApproveDraftChunk, "admin", approve).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);
  approve.set_review_token(draft().chunks(0).review_token());
  CHECK(gateway.call(&Stub::ApproveDraftChunk, "user", approve).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(&Stub::ApproveDraftChunk, token, approve).first.error_code() ==
        StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(&Stub::ApproveDraftChunk, "admin", approve).second.policy_version() == 1);
  CHECK(gateway.config().policy().network_policies().at("api").endpoints(0).host() ==
        "api2.example");
  CHECK(gateway.call(&Stub::ApproveDraftChunk, "admin", approve).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);  // is approved

  v1::UndoDraftChunkRequest undo;
  undo.set_name("a");
  undo.set_chunk_id(id);
  CHECK(gateway.call(&Stub::UndoDraftChunk, "admin", undo).second.policy_version() == 2);
  CHECK(gateway.config().policy().network_policies().empty());
  v1::RejectDraftChunkRequest reject;
  reject.set_name("a");
  reject.set_chunk_id(id);
  reject.set_reason("no");
  CHECK(gateway.call(&Stub::RejectDraftChunk, "admin", reject).first.ok());
  CHECK(draft().chunks(0).rejection_reason() == "no");
  CHECK(gateway.call(&Stub::GetDraftPolicy, token, get).second.chunks_size() == 1);

  v1::GetDraftHistoryRequest history;
  history.set_name("a");
  std::string events;
  const auto told = gateway.call(&Stub::GetDraftHistory, "user", history).second;
  for (const auto& entry : told.entries()) events += entry.event_type() + " ";
  CHECK(events == "analysis_cycle analysis_cycle edited approved undone rejected ");
}

TEST_CASE("drafts: all at once, without those that are flagged") {
  ConfigServer gateway;
  v1::SubmitPolicyAnalysisRequest submit;
  submit.set_name("a");
  submit.set_analysis_mode("agent_authored");
  for (const char* name : {"one", "two", "flagged"}) {
    auto& chunk = *submit.add_proposed_chunks();
    chunk.set_rule_name(name);
    *chunk.mutable_proposed_rule() = rule_for(std::string(name) + ".example");
  }
  submit.mutable_proposed_chunks(2)->set_security_notes("broad");
  REQUIRE(gateway.call(&Stub::SubmitPolicyAnalysis, gateway.token(gateway.a), submit)
              .second.accepted_chunks() == 3);
  v1::ApproveAllDraftChunksRequest all;
  all.set_name("a");
  const auto done = gateway.call(&Stub::ApproveAllDraftChunks, "admin", all).second;
  CHECK(done.chunks_approved() == 2);
  CHECK(done.chunks_skipped() == 1);
  CHECK(gateway.config().policy().network_policies_size() == 2);
  v1::ClearDraftChunksRequest clear;
  clear.set_name("a");
  CHECK(gateway.call(&Stub::ClearDraftChunks, "admin", clear).second.chunks_cleared() == 1);
  REQUIRE(gateway.store->delete_sandbox("a"));
  CHECK(gateway.store->records("draft", gateway.a.id)->empty());
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
