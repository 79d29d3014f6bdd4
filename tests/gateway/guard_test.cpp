// The guard's table against the wire contract, and every method by every kind of caller.
#include <doctest/doctest.h>

#include <set>

#include "gateway/authz/guard.hpp"
#include "inference.pb.h"
#include "openshell.pb.h"
#include "options.pb.h"

using namespace keyward;
using namespace keyward::gateway;

namespace {

const char* mode_of(Access access) {
  switch (access) {
    case Access::everyone:
      return "unauthenticated";
    case Access::sandbox:
      return "sandbox";
    case Access::sandbox_or_user:
      return "dual";
    case Access::user:
      return "bearer";
    case Access::operator_socket:
      return "operator";
  }
  return "";
}

std::vector<const google::protobuf::MethodDescriptor*> methods_of_contract() {
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  for (const auto* file :
       {openshell::v1::HealthRequest::descriptor()->file(),
        openshell::inference::v1::GetInferenceBundleRequest::descriptor()->file()})
    for (int i = 0; i < file->service(0)->method_count(); ++i)
      methods.push_back(file->service(0)->method(i));
  return methods;
}

Principal user(Role role, std::optional<std::vector<std::string>> scopes = {}) {
  Principal principal;
  principal.kind = PrincipalKind::user;
  principal.user.role = role;
  principal.user.scopes = std::move(scopes);
  return principal;
}

// internal: allowed.
Code code_of(const Principal& principal, std::string_view method, const Requested& requested) {
  const auto verdict = authorize(principal, method, requested);
  return verdict ? Code::internal : verdict.error().code;
}

}  // namespace

TEST_CASE("guard: the table is the wire contract's, method by method") {
  std::set<std::string> in_contract;
  for (const auto* each : methods_of_contract()) {
    const auto& method = *each;
    CAPTURE(method.name());
    in_contract.insert(method.name());
    const auto& option = method.options().GetExtension(openshell::options::v1::authorization);
    const auto rules = method_rules();
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const MethodRule& each) {
      return each.method == method.name();
    });
    REQUIRE(rule != rules.end());
    CHECK(option.auth_mode() == mode_of(rule->access));
    CHECK(option.scope() == rule->scope);
    const bool admin =
        option.workspace_role() == "admin" || option.global_role() == "platform_admin";
    const Role role = admin                               ? Role::admin
                      : option.workspace_role() == "user" ? Role::user
                                                          : Role::none;
    CHECK(rule->role == role);
  }
  for (const MethodRule& rule : method_rules())
    if (rule.access != Access::operator_socket) CHECK(in_contract.count(std::string(rule.method)));
}

TEST_CASE("guard: every method, every kind of caller") {
  Principal nobody, own, foreign, root;
  own.kind = foreign.kind = PrincipalKind::sandbox;
  own.sandbox_id = "one";
  foreign.sandbox_id = "two";
  root.kind = PrincipalKind::operator_;
  const Requested by_id{Requested::By::id, "one"}, by_name{Requested::By::name, "one"},
      unknown{Requested::By::name, ""}, itself;
  for (const MethodRule& rule : method_rules()) {
    CAPTURE(rule.method);
    const auto code = [&](const Principal& principal, const Requested& requested) {
      return code_of(principal, rule.method, requested);
    };
    if (rule.access == Access::everyone) {
      CHECK(code(nobody, itself) == Code::internal);
      continue;
    }
    CHECK(code(nobody, by_id) == Code::unauthenticated);
    const bool for_operator = rule.access == Access::operator_socket;
    CHECK(code(root, itself) == (for_operator ? Code::internal : Code::denied));

    const bool for_sandbox =
        rule.access == Access::sandbox || rule.access == Access::sandbox_or_user;
    CHECK(code(own, itself) == (for_sandbox ? Code::internal : Code::denied));
    CHECK(code(own, by_id) == (for_sandbox ? Code::internal : Code::denied));
    CHECK(code(own, by_name) == (for_sandbox ? Code::internal : Code::denied));
    CHECK(code(foreign, by_id) == Code::denied);
    CHECK(code(foreign, by_name) == Code::denied);
    CHECK(code(own, unknown) == Code::denied);

    const bool for_user = rule.access == Access::user || rule.access == Access::sandbox_or_user;
    CHECK(code(user(Role::admin), by_id) == (for_user ? Code::internal : Code::denied));
    const bool enough = for_user && rule.role <= Role::user;
    CHECK(code(user(Role::user), by_name) == (enough ? Code::internal : Code::denied));
    const bool no_role = for_user && rule.role == Role::none;
    CHECK(code(user(Role::none), by_id) == (no_role ? Code::internal : Code::denied));
    if (!for_user || rule.scope.empty()) continue;
    CHECK(code(user(Role::admin, {{"other:read"}}), by_id) == Code::denied);
    CHECK(code(user(Role::admin, {{std::string(rule.scope)}}), by_id) == Code::internal);
    CHECK(code(user(Role::admin, {{"openshell:all"}}), by_id) == Code::internal);
  }
  CHECK(code_of(own, "NoSuchMethod", itself) == Code::denied);
}

TEST_CASE("guard: a sandbox cannot tell a foreign sandbox from one that does not exist") {
  Principal own;
  own.kind = PrincipalKind::sandbox;
  own.sandbox_id = "one";
  const auto words = [&](const Requested& requested) {
    return authorize(own, "GetSandboxConfig", requested).error().what;
  };
  CHECK(words({Requested::By::id, "two"}) == words({Requested::By::id, "nobody"}));
  CHECK(words({Requested::By::id, "two"}) ==
        "cross-sandbox access denied: principal does not own this sandbox");
  CHECK(words({Requested::By::name, "two"}) == words({Requested::By::name, ""}));
}
