#include "gateway/rpc/config_changes.hpp"
#include "gateway/rpc/list_answer.hpp"
#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/sandbox_spec.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/settings.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr int operations_limit = 100;
constexpr std::size_t policy_limit = 262'144;  // bytes, serialized

Result<NewRevision> store_revision(const CallContext& call, const SandboxRow& sandbox,
                                   const PolicyRow& row) {
  TRY_ASSIGN(const std::uint32_t version,
             call.store().add_policy(sandbox.id, row, sandbox.policy_version));
  return NewRevision{version, row.hash};
}

// What a sandbox's own supervisor may ask for.
Result<> check_sync(const v1::UpdateConfigRequest& request) {
  if (request.global()) return fail(Code::denied, "sandbox callers cannot mutate global config");
  if (request.delete_setting()) return fail(Code::denied, "sandbox callers cannot delete settings");
  const bool only_policy = request.has_policy() && request.setting_key().empty() &&
                           request.merge_operations().empty() && request.annotations().empty() &&
                           request.expected_resource_version() == 0;
  if (!only_policy)
    return fail(Code::denied, "sandbox callers may only perform sandbox policy sync");
  return {};
}

// Of a sandbox's first policy, canonical.
Result<> check_grants_nothing(WirePolicy policy) {
  const std::string& landlock = policy.landlock().compatibility();
  const bool strict = landlock.empty() || landlock == "hard_requirement";
  policy.clear_version();
  policy.clear_filesystem();
  policy.clear_landlock();
  if (policy.process().ByteSizeLong() == 0) policy.clear_process();
  if (strict && policy.ByteSizeLong() == 0) return {};
  return fail(Code::denied,
              "a sandbox without a policy may bring the paths of its filesystem policy; network "
              "rules and the rest are an operator's: gateway policy set");
}

Result<> sync_own_policy(const CallContext& call, const v1::UpdateConfigRequest& request,
                         v1::UpdateConfigResponse& response) {
  TRY(check_sync(request));
  TRY_ASSIGN(const SandboxRow sandbox,
             addressed_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(const PolicyRow row, policy_row(request.policy(), call.now()));
  NewRevision made{sandbox.policy_version, sandbox.policy_hash};
  if (made.version == 0) {
    TRY_ASSIGN(const WirePolicy policy, read_policy(row.policy));
    TRY(check_grants_nothing(policy));
    TRY_ASSIGN(made, store_revision(call, sandbox, row));
  } else if (made.hash != row.hash) {
    return fail(Code::denied,
                "a sandbox may bring the paths of its filesystem policy while it has no policy; "
                "this one has revision " +
                    std::to_string(made.version) + ", which is an operator's: gateway policy set");
  }
  response.set_version(made.version);
  response.set_policy_hash(made.hash);
  return {};
}

Result<WirePolicy> changed_policy(const v1::UpdateConfigRequest& request,
                                  const SandboxRow& sandbox) {
  TRY_ASSIGN(const WirePolicy before, read_policy(sandbox.policy));
  if (request.has_policy()) {
    for (const auto& [name, rule] : request.policy().network_policies())
      if (is_reserved_rule_name(name))
        return fail(Code::invalid, "rule names that begin with _provider_ are the gateway's own");
    return request.policy();
  }
  if (request.merge_operations_size() > operations_limit)
    return fail(Code::invalid, "merge_operations: more than 100");
  WirePolicy policy = before;
  if (sandbox.policy_version == 0) policy.set_version(1);
  for (const auto& operation : request.merge_operations()) {
    TRY(apply(operation, policy));
    // After each one: the operations of a request could pile up far beyond what is kept in the end.
    if (policy.ByteSizeLong() > policy_limit)
      return fail(Code::invalid, "policy: longer than 262144 bytes");
  }
  return policy;
}

Result<> check_static_part(const SandboxRow& sandbox, const PolicyRow& next) {
  if (sandbox.policy_version == 0) return {};
  TRY_ASSIGN(const WirePolicy before, read_policy(sandbox.policy));
  TRY_ASSIGN(const WirePolicy after, read_policy(next.policy));
  if (same_static_part(before, after)) return {};
  return fail(Code::invalid,
              "filesystem, landlock and process hold for the sandbox's life and cannot be changed "
              "here");
}

// Annotations are read with every poll, and so are limited as a whole.
Result<> check_added_annotations(const v1::UpdateConfigRequest& request,
                                 const SandboxRow& sandbox) {
  if (request.annotations().empty()) return {};
  auto all = request.annotations();
  all.insert(sandbox.notes.annotations.begin(), sandbox.notes.annotations.end());
  return check_annotations(all);
}

Result<> change_policy(const CallContext& call, const v1::UpdateConfigRequest& request,
                       v1::UpdateConfigResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY(check_added_annotations(request, sandbox));
  TRY_ASSIGN(const WirePolicy policy, changed_policy(request, sandbox));
  TRY_ASSIGN(PolicyRow row, policy_row(policy, call.now()));
  TRY(check_static_part(sandbox, row));
  row.provenance.insert(request.annotations().begin(), request.annotations().end());
  TRY(call.store().touch_sandbox(sandbox.id, request.expected_resource_version()));
  TRY_ASSIGN(const NewRevision made, store_revision(call, sandbox, row));
  if (!request.annotations().empty()) {
    TRY_ASSIGN(const auto all,
               call.store().add_annotations(
                   sandbox.id, {request.annotations().begin(), request.annotations().end()}));
    *response.mutable_annotations() = {all.begin(), all.end()};
  }
  response.set_version(made.version);
  response.set_policy_hash(made.hash);
  return {};
}

Result<> change_setting_of(const CallContext& call, const v1::UpdateConfigRequest& request,
                           v1::UpdateConfigResponse& response) {
  std::string owner;
  if (!request.global()) {
    if (request.delete_setting())
      return fail(Code::invalid, "delete_setting exists with global only");
    TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
    TRY(call.store().touch_sandbox(sandbox.id, request.expected_resource_version()));
    owner = sandbox.id;
  }
  if (!request.delete_setting() && !request.has_setting_value())
    return fail(Code::invalid, "setting_value is required");
  TRY_ASSIGN(const SettingChanged done,
             change_setting(call, owner,
                            {request.setting_key(),
                             request.delete_setting() ? nullptr : &request.setting_value()}));
  response.set_settings_revision(done.revision);
  response.set_deleted(done.deleted);
  return {};
}

v1::PolicyStatus status_of(const std::string& name) {
  if (name == "loaded") return v1::POLICY_STATUS_LOADED;
  if (name == "failed") return v1::POLICY_STATUS_FAILED;
  if (name == "superseded") return v1::POLICY_STATUS_SUPERSEDED;
  return v1::POLICY_STATUS_PENDING;
}

Result<> fill(const PolicyRow& row, v1::SandboxPolicyRevision& revision) {
  revision.set_version(row.version);
  revision.set_policy_hash(row.hash);
  revision.set_status(status_of(row.status));
  revision.set_load_error(row.load_error);
  revision.set_created_at_ms(unix_millis(row.created));
  revision.set_loaded_at_ms(unix_millis(row.loaded));
  revision.mutable_provenance()->insert(row.provenance.begin(), row.provenance.end());
  TRY_ASSIGN(*revision.mutable_policy(), read_policy(row.policy));
  return {};
}

constexpr const char* no_global_policy = "a policy of the whole gateway is not served";

}  // namespace

Result<SandboxRow> addressed_sandbox(const CallContext& call, const std::string& name,
                                     const std::string& workspace) {
  if (call.caller.kind != PrincipalKind::sandbox) return find_sandbox(call, name, workspace);
  TRY(check_workspace(workspace));
  return call.store().sandbox_by_id(call.caller.sandbox_id);
}

Result<NewRevision> add_revision(const CallContext& call, const SandboxRow& sandbox,
                                 const WirePolicy& policy) {
  TRY_ASSIGN(const PolicyRow row, policy_row(policy, call.now()));
  return store_revision(call, sandbox, row);
}

Result<> update_config(const CallContext& call, const v1::UpdateConfigRequest& request,
                       v1::UpdateConfigResponse& response) {
  if (call.caller.kind == PrincipalKind::sandbox) return sync_own_policy(call, request, response);
  const bool for_policy = request.has_policy() || !request.merge_operations().empty();
  const bool for_setting = !request.setting_key().empty();
  if (request.has_policy() && !request.merge_operations().empty())
    return fail(Code::invalid, "either policy or merge_operations, not both");
  if (for_policy == for_setting)
    return fail(Code::invalid, "either a policy (policy, merge_operations) or a setting_key");
  if (for_policy && request.global()) return fail(Code::unsupported, no_global_policy);
  return for_policy ? change_policy(call, request, response)
                    : change_setting_of(call, request, response);
}

Result<> get_policy_status(const CallContext& call,
                           const v1::GetSandboxPolicyStatusRequest& request,
                           v1::GetSandboxPolicyStatusResponse& response) {
  if (request.global()) return fail(Code::unsupported, no_global_policy);
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  const std::uint32_t wanted = request.version() == 0 ? sandbox.policy_version : request.version();
  TRY_ASSIGN(const PolicyRow row, call.store().policy(sandbox.id, wanted));
  TRY_ASSIGN(const std::uint32_t active, call.store().loaded_version(sandbox.id));
  response.set_active_version(active);
  return fill(row, *response.mutable_revision());
}

Result<> list_policies(const CallContext& call, const v1::ListSandboxPoliciesRequest& request,
                       v1::ListSandboxPoliciesResponse& response) {
  if (request.global()) return fail(Code::unsupported, no_global_policy);
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(auto rows, call.store().policies(sandbox.id));
  std::reverse(rows.begin(), rows.end());  // newest first
  cut_page(rows, request.limit(), request.offset());
  AnswerSpace space;
  for (const PolicyRow& row : rows) {
    v1::SandboxPolicyRevision revision;
    TRY(fill(row, revision));
    if (!space.takes(revision)) break;
    *response.add_revisions() = std::move(revision);
  }
  return {};
}

}  // namespace keyward::gateway
