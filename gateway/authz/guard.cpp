#include "gateway/authz/guard.hpp"

#include <algorithm>
#include <iterator>

namespace keyward::gateway {
namespace {

enum class Rule {
  everyone,
  any_sandbox,   // acts on the caller itself
  same_sandbox,  // the request names a sandbox: it must be the caller
  operator_only,
};

constexpr struct {
  Method method;
  Rule rule;
} rules[] = {
    {Method::health, Rule::everyone},
    {Method::refresh_sandbox_token, Rule::any_sandbox},
    {Method::get_sandbox_config, Rule::same_sandbox},
    {Method::get_sandbox_provider_environment, Rule::same_sandbox},
    {Method::report_policy_status, Rule::same_sandbox},
    {Method::report_main_process_exit, Rule::same_sandbox},
    {Method::push_sandbox_logs, Rule::same_sandbox},
    {Method::operator_, Rule::operator_only},
};

Result<> require_sandbox(const Principal& principal) {
  if (principal.kind == PrincipalKind::sandbox) return {};
  if (principal.kind == PrincipalKind::anonymous)
    return fail(Code::unauthenticated, "missing authorization header");
  return fail(Code::denied, "this method requires a sandbox principal");
}

}  // namespace

Result<> authorize(const Principal& principal, Method method, std::string_view sandbox_id) {
  const auto* row = std::find_if(std::begin(rules), std::end(rules),
                                 [&](const auto& entry) { return entry.method == method; });
  if (row == std::end(rules)) return fail(Code::denied, "no rule allows this method");
  switch (row->rule) {
    case Rule::everyone:
      return {};
    case Rule::any_sandbox:
      return require_sandbox(principal);
    case Rule::same_sandbox:
      TRY(require_sandbox(principal));
      if (principal.sandbox_id == sandbox_id) return {};
      return fail(Code::denied, "cross-sandbox access denied: principal does not own this sandbox");
    case Rule::operator_only:
      if (principal.kind == PrincipalKind::operator_) return {};
      return fail(principal.kind == PrincipalKind::anonymous ? Code::unauthenticated : Code::denied,
                  "this method is for the operator");
  }
  return fail(Code::denied, "no rule allows this method");
}

}  // namespace keyward::gateway
