#include "gateway/rpc/config_changes.hpp"

#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/sandbox_spec.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/settings.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr int operations_limit = 100;

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

// Paths, and nothing else, may differ from what is there.
Result<> check_grants_nothing(WirePolicy before, WirePolicy after) {
  before.clear_filesystem();
  after.clear_filesystem();
  if (before.version() == 0) {  // there is none yet: landlock and process are the image's
    before = after;
    before.clear_network_policies();
    before.clear_network_middlewares();
  }
  if (serialize(before) == serialize(after)) return {};
  return fail(Code::denied,
              "a sandbox may bring the paths of its filesystem policy; network rules and the rest "
              "are an operator's: gateway policy set");
}

Result<> sync_own_policy(const CallContext& call, const v1::UpdateConfigRequest& request,
                         v1::UpdateConfigResponse& response) {
  TRY(check_sync(request));
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(const PolicyRow row, policy_row(request.policy(), call.now()));
  TRY_ASSIGN(const WirePolicy before, read_policy(sandbox.policy));
  TRY_ASSIGN(const WirePolicy after, read_policy(row.policy));
  TRY(check_grants_nothing(before, after));
  TRY_ASSIGN(const NewRevision made, store_revision(call, sandbox, row));
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
  for (const auto& operation : request.merge_operations()) TRY(apply(operation, policy));
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

Result<> change_policy(const CallContext& call, const v1::UpdateConfigRequest& request,
                       v1::UpdateConfigResponse& response) {
  TRY(check_annotations(request.annotations()));
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(const WirePolicy policy, changed_policy(request, sandbox));
  TRY_ASSIGN(PolicyRow row, policy_row(policy, call.now()));
  TRY(check_static_part(sandbox, row));
  row.provenance.insert(request.annotations().begin(), request.annotations().end());
  TRY(call.store().touch_sandbox(sandbox.id, request.expected_resource_version()));
  TRY_ASSIGN(const NewRevision made, store_revision(call, sandbox, row));
  if (!request.annotations().empty()) {
    auto annotations = sandbox.notes.annotations;
    for (const auto& [key, value] : request.annotations()) annotations[key] = value;
    TRY(call.store().set_annotations(sandbox.id, annotations));
    *response.mutable_annotations() = {annotations.begin(), annotations.end()};
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
  TRY_ASSIGN(const auto rows, call.store().policies(sandbox.id));
  const std::uint32_t wanted = request.version() == 0 ? sandbox.policy_version : request.version();
  for (const PolicyRow& row : rows) {
    if (row.status == "loaded") response.set_active_version(row.version);
    if (row.version == wanted) TRY(fill(row, *response.mutable_revision()));
  }
  if (response.has_revision()) return {};
  return fail(Code::not_found, "policy revision not found");
}

Result<> list_policies(const CallContext& call, const v1::ListSandboxPoliciesRequest& request,
                       v1::ListSandboxPoliciesResponse& response) {
  if (request.global()) return fail(Code::unsupported, no_global_policy);
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(auto rows, call.store().policies(sandbox.id));
  std::reverse(rows.begin(), rows.end());  // newest first
  cut_page(rows, request.limit(), request.offset());
  for (const PolicyRow& row : rows) TRY(fill(row, *response.add_revisions()));
  return {};
}

}  // namespace keyward::gateway
