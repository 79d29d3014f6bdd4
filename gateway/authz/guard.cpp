#include "gateway/authz/guard.hpp"

#include <algorithm>
#include <array>

namespace keyward::gateway {
namespace {

constexpr std::string_view every_scope = "openshell:all";

constexpr auto rules = std::to_array<MethodRule>({
    {"Health", Access::everyone},
    {"operator", Access::operator_socket},
    // Of supervisors.
    {"IssueSandboxToken", Access::sandbox},
    {"RefreshSandboxToken", Access::sandbox},
    {"GetSandboxProviderEnvironment", Access::sandbox},
    {"GetSandboxSubjectToken", Access::sandbox},
    {"ReportPolicyStatus", Access::sandbox},
    {"PushSandboxLogs", Access::sandbox},
    {"ReportMainProcessExit", Access::sandbox},
    {"SubmitPolicyAnalysis", Access::sandbox},
    {"ConnectSupervisor", Access::sandbox},
    {"RelayStream", Access::sandbox},
    {"GetInferenceBundle", Access::sandbox},
    // Of users.
    {"GetCurrentUser", Access::user},
    {"GetGatewayInfo", Access::user, Role::admin, "config:read"},
    {"CreateSandbox", Access::user, Role::user, "sandbox:write"},
    {"GetSandbox", Access::user, Role::user, "sandbox:read"},
    {"ListSandboxes", Access::user, Role::user, "sandbox:read"},
    {"ListSandboxProviders", Access::user, Role::user, "sandbox:read"},
    {"AttachSandboxProvider", Access::user, Role::user, "sandbox:write"},
    {"DetachSandboxProvider", Access::user, Role::user, "sandbox:write"},
    {"DeleteSandbox", Access::user, Role::user, "sandbox:write"},
    {"ForwardTcp", Access::user, Role::user, "sandbox:write"},
    {"CreateProvider", Access::user, Role::admin, "provider:write"},
    {"GetProvider", Access::user, Role::user, "provider:read"},
    {"ListProviders", Access::user, Role::user, "provider:read"},
    {"UpdateProvider", Access::user, Role::admin, "provider:write"},
    {"DeleteProvider", Access::user, Role::admin, "provider:write"},
    {"ListProviderProfiles", Access::user, Role::user, "provider:read"},
    {"GetProviderProfile", Access::user, Role::user, "provider:read"},
    {"ImportProviderProfiles", Access::user, Role::admin, "provider:write"},
    {"UpdateProviderProfiles", Access::user, Role::admin, "provider:write"},
    {"LintProviderProfiles", Access::user, Role::user, "provider:read"},
    {"DeleteProviderProfile", Access::user, Role::admin, "provider:write"},
    {"GetGatewayConfig", Access::user, Role::none, "config:read"},
    {"GetSandboxPolicyStatus", Access::user, Role::user, "sandbox:read"},
    {"ListSandboxPolicies", Access::user, Role::user, "sandbox:read"},
    {"GetSandboxLogs", Access::user, Role::user, "sandbox:read"},
    {"WatchSandbox", Access::user, Role::user, "sandbox:read"},
    {"ApproveDraftChunk", Access::user, Role::admin, "config:write"},
    {"RejectDraftChunk", Access::user, Role::admin, "config:write"},
    {"ApproveAllDraftChunks", Access::user, Role::admin, "config:write"},
    {"EditDraftChunk", Access::user, Role::admin, "config:write"},
    {"UndoDraftChunk", Access::user, Role::admin, "config:write"},
    {"ClearDraftChunks", Access::user, Role::admin, "config:write"},
    {"GetDraftHistory", Access::user, Role::user, "config:read"},
    {"SetInferenceRoute", Access::user, Role::admin, "inference:write"},
    {"GetInferenceRoute", Access::user, Role::user, "inference:read"},
    {"DeleteInferenceRoute", Access::user, Role::admin, "inference:write"},
    // Of both.
    {"GetSandboxConfig", Access::sandbox_or_user, Role::user, "config:read"},
    {"GetDraftPolicy", Access::sandbox_or_user, Role::user, "config:read"},
    {"UpdateConfig", Access::sandbox_or_user, Role::admin, "config:write"},
});

Result<> require_user(const User& user, const MethodRule& rule) {
  if (user.role < rule.role)
    return fail(Code::denied, rule.role == Role::admin ? "role 'openshell-admin' required"
                                                       : "role 'openshell-user' required");
  if (rule.scope.empty() || !user.scopes) return {};
  const auto has = [&](std::string_view scope) {
    return std::find(user.scopes->begin(), user.scopes->end(), scope) != user.scopes->end();
  };
  if (has(rule.scope) || has(every_scope)) return {};
  return fail(Code::denied, "scope '" + std::string(rule.scope) + "' required");
}

Result<> require_own(const Principal& principal, const Requested& requested) {
  if (requested.by == Requested::By::caller) return {};
  if (!requested.sandbox_id.empty() && requested.sandbox_id == principal.sandbox_id) return {};
  return fail(Code::denied, requested.by == Requested::By::id
                                ? "cross-sandbox access denied: principal does not own this sandbox"
                                : "sandbox not found or not owned by caller");
}

Result<> authorize_sandbox(const Principal& principal, const MethodRule& rule,
                           const Requested& requested) {
  if (rule.access == Access::user)
    return fail(Code::denied, "sandbox principals may not call this method");
  return require_own(principal, requested);
}

}  // namespace

std::span<const MethodRule> method_rules() { return rules; }

Result<> authorize(const Principal& principal, std::string_view method,
                   const Requested& requested) {
  const auto rule = std::find_if(rules.begin(), rules.end(),
                                 [&](const MethodRule& each) { return each.method == method; });
  if (rule == rules.end()) return fail(Code::denied, "no rule allows this method");
  if (rule->access == Access::everyone) return {};
  if (principal.kind == PrincipalKind::anonymous)
    return fail(Code::unauthenticated, "missing authorization header");
  if ((rule->access == Access::operator_socket) != (principal.kind == PrincipalKind::operator_))
    return fail(Code::denied, "this method is for another kind of caller");
  switch (principal.kind) {
    case PrincipalKind::operator_:
      return {};
    case PrincipalKind::sandbox:
      return authorize_sandbox(principal, *rule, requested);
    case PrincipalKind::user:
      if (rule->access == Access::sandbox)
        return fail(Code::denied, "this method requires a sandbox principal");
      return require_user(principal.user, *rule);
    case PrincipalKind::anonymous:
      break;
  }
  return fail(Code::denied, "no rule allows this method");
}

}  // namespace keyward::gateway
