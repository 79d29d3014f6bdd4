#include "gateway/rpc/sandboxes.hpp"

#include <set>

#include "base/crypto.hpp"
#include "gateway/rpc/list_answer.hpp"
#include "gateway/rpc/names.hpp"
#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/providers.hpp"
#include "gateway/rpc/sandbox_spec.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr std::int64_t batch = 100;  // sandboxes that are in memory at a time for a list

std::map<std::string, std::string> map_of(
    const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

// A session says that the program runs; an exit that was reported, that it does not.
void fill_status(const CallContext& call, const SandboxRow& row, v1::SandboxStatus& status) {
  status.set_sandbox_name(row.name);
  status.set_current_policy_version(row.policy_version);
  const std::optional<std::string> instance = call.deps.sessions.instance_of(row.id);
  const bool has_ended = row.exit && (!instance || row.exit->instance_id == *instance);
  if (instance && !has_ended) {
    status.set_phase(v1::SANDBOX_PHASE_READY);
    status.set_main_process_instance_id(*instance);
    return;
  }
  status.set_phase(has_ended ? v1::SANDBOX_PHASE_ERROR : v1::SANDBOX_PHASE_PROVISIONING);
  if (!row.exit) return;
  status.set_main_process_instance_id(row.exit->instance_id);
  status.set_exit_code(row.exit->code);
  v1::SandboxCondition& condition = *status.add_conditions();
  condition.set_type("Ready");
  condition.set_status("False");
  condition.set_reason("MainProcessExited");
  condition.set_message("the main program ended with " + std::to_string(row.exit->code));
  condition.set_last_transition_time(iso_time(row.exit->time));
}

Result<> check_policy(const v1::SandboxSpec& spec) {
  for (const auto& [name, rule] : spec.policy().network_policies())
    if (is_reserved_rule_name(name))
      return fail(Code::invalid, "rule names that begin with _provider_ are the gateway's own");
  return {};
}

std::set<std::string> names_of(const v1::SandboxSpec& spec) {
  return {spec.providers().begin(), spec.providers().end()};
}

Result<NewSandboxRow> new_row(const CallContext& call, const v1::CreateSandboxRequest& request) {
  TRY(check_workspace(request.workspace()));
  if (!request.has_spec()) return fail(Code::invalid, "spec is required");
  v1::SandboxSpec spec = with_defaults(request.spec());
  TRY(check_spec(spec));
  TRY(check_policy(spec));
  TRY(check_labels(request.labels()));
  TRY(check_annotations(request.annotations()));
  NewSandboxRow row{random_uuid(), request.name(), call.now(), {}, {}};
  if (row.name.empty()) row.name = "sandbox-" + row.id.substr(0, 8);
  TRY(check_name("sandbox", row.name));
  if (spec.has_policy()) {  // without one the supervisor denies everything
    TRY_ASSIGN(row.policy, policy_row(spec.policy(), row.created));
    row.policy->version = 1;
  }
  spec.clear_policy();  // both have tables of their own
  spec.clear_providers();
  row.notes = {serialize(spec), map_of(request.labels()), map_of(request.annotations())};
  return row;
}

bool matches(const SandboxRow& row, const std::map<std::string, std::string>& selector) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& pair) {
    const auto found = row.notes.labels.find(pair.first);
    return found != row.notes.labels.end() && found->second == pair.second;
  });
}

}  // namespace

Result<SandboxRow> find_sandbox(const CallContext& call, const std::string& name,
                                const std::string& workspace) {
  TRY(check_workspace(workspace));
  if (name.empty()) return fail(Code::invalid, "name is required");
  return call.store().sandbox_by_name(name);
}

Result<> fill(const CallContext& call, const SandboxRow& row, v1::Sandbox& sandbox) {
  auto& metadata = *sandbox.mutable_metadata();
  metadata.set_id(row.id);
  metadata.set_name(row.name);
  metadata.set_created_at_ms(unix_millis(row.created));
  metadata.set_resource_version(row.resource_version);
  metadata.set_workspace(default_workspace);
  metadata.mutable_labels()->insert(row.notes.labels.begin(), row.notes.labels.end());
  metadata.mutable_annotations()->insert(row.notes.annotations.begin(),
                                         row.notes.annotations.end());
  if (!sandbox.mutable_spec()->ParseFromString(row.notes.spec))
    return fail(Code::internal, "a stored sandbox is unreadable");
  if (row.policy_version > 0) {
    TRY_ASSIGN(*sandbox.mutable_spec()->mutable_policy(), read_policy(row.policy));
  }
  TRY_ASSIGN(const auto providers, call.store().provider_names_of(row.id));
  for (const std::string& provider : providers) sandbox.mutable_spec()->add_providers(provider);
  fill_status(call, row, *sandbox.mutable_status());
  return {};
}

Result<> create_sandbox(const CallContext& call, const v1::CreateSandboxRequest& request,
                        v1::SandboxResponse& response) {
  TRY_ASSIGN(const NewSandboxRow row, new_row(call, request));
  const std::set<std::string> names = names_of(request.spec());
  auto stored = call.store().create_sandbox(row, {names.begin(), names.end()});
  // Of what the request names, not of what it is about.
  if (!stored && stored.error().code == Code::not_found)
    return fail(Code::precondition, stored.error().what);
  TRY(stored);
  TRY_ASSIGN(const SandboxRow made, call.store().sandbox_by_id(row.id));
  return fill(call, made, *response.mutable_sandbox());
}

Result<> get_sandbox(const CallContext& call, const v1::GetSandboxRequest& request,
                     v1::SandboxResponse& response) {
  TRY_ASSIGN(const SandboxRow row, find_sandbox(call, request.name(), request.workspace()));
  return fill(call, row, *response.mutable_sandbox());
}

Result<> list_sandboxes(const CallContext& call, const v1::ListSandboxesRequest& request,
                        v1::ListSandboxesResponse& response) {
  TRY(check_workspaces(call, request.workspace(), request.all_workspaces()));
  TRY_ASSIGN(const auto selector, parse_selector(request.label_selector()));
  std::uint32_t left = request.limit() == 0 ? 100 : std::min<std::uint32_t>(request.limit(), 1000);
  std::uint32_t skip = request.offset();
  SandboxPage page{"", batch, 0};
  if (selector.empty()) page = {"", std::min<std::int64_t>(left, batch), std::exchange(skip, 0)};
  AnswerSpace space;
  for (;;) {
    TRY_ASSIGN(const auto rows, call.store().sandboxes(page));
    for (const SandboxRow& row : rows) {
      if (!matches(row, selector)) continue;
      if (skip > 0) {
        --skip;
        continue;
      }
      v1::Sandbox sandbox;
      TRY(fill(call, row, sandbox));
      if (!space.takes(sandbox)) return {};
      *response.add_sandboxes() = std::move(sandbox);
      if (--left == 0) return {};
    }
    if (static_cast<std::int64_t>(rows.size()) < page.limit) return {};
    page = {rows.back().name, batch, 0};
  }
}

Result<> delete_sandbox(const CallContext& call, const v1::DeleteSandboxRequest& request,
                        v1::DeleteSandboxResponse& response) {
  TRY_ASSIGN(const SandboxRow row, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(const bool deleted, call.store().delete_sandbox_by_id(row.id));
  call.deps.logs.forget(row.id);
  response.set_deleted(deleted);
  return {};
}

Result<> list_sandbox_providers(const CallContext& call,
                                const v1::ListSandboxProvidersRequest& request,
                                v1::ListSandboxProvidersResponse& response) {
  TRY_ASSIGN(const SandboxRow row, find_sandbox(call, request.sandbox_name(), request.workspace()));
  TRY_ASSIGN(const auto providers, call.store().outlines_of(row.id));
  AnswerSpace space;
  for (const ProviderOutline& provider : providers) {
    openshell::datamodel::v1::Provider wire;
    fill(provider, wire);
    if (!space.takes(wire)) break;
    *response.add_providers() = std::move(wire);
  }
  return {};
}

Result<> attach_sandbox_provider(const CallContext& call,
                                 const v1::AttachSandboxProviderRequest& request,
                                 v1::AttachSandboxProviderResponse& response) {
  TRY_ASSIGN(const SandboxRow row, find_sandbox(call, request.sandbox_name(), request.workspace()));
  TRY_ASSIGN(const bool changed, call.store().attach_by_id({row.id, request.provider_name(),
                                                            request.expected_resource_version()}));
  response.set_attached(changed);
  TRY_ASSIGN(const SandboxRow after, call.store().sandbox_by_id(row.id));
  return fill(call, after, *response.mutable_sandbox());
}

Result<> detach_sandbox_provider(const CallContext& call,
                                 const v1::DetachSandboxProviderRequest& request,
                                 v1::DetachSandboxProviderResponse& response) {
  TRY_ASSIGN(const SandboxRow row, find_sandbox(call, request.sandbox_name(), request.workspace()));
  TRY_ASSIGN(const bool changed, call.store().detach_by_id({row.id, request.provider_name(),
                                                            request.expected_resource_version()}));
  response.set_detached(changed);
  TRY_ASSIGN(const SandboxRow after, call.store().sandbox_by_id(row.id));
  return fill(call, after, *response.mutable_sandbox());
}

}  // namespace keyward::gateway
