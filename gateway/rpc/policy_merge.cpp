#include "gateway/rpc/policy_merge.hpp"

#include <algorithm>
#include <vector>

#include "gateway/rpc/policy_rows.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;
constexpr int rules_limit = 100;  // of one operation

using Rules = google::protobuf::Map<std::string, sandbox_v1::NetworkPolicyRule>;

bool same(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  return serialize(a) == serialize(b);
}

template <class List, class Message>
bool has(const List& list, const Message& message) {
  return std::any_of(list.begin(), list.end(),
                     [&](const auto& each) { return same(each, message); });
}

template <class List, class Message>
bool add_unless_there(List& list, const Message& message) {
  if (has(list, message)) return false;
  *list.Add() = message;
  return true;
}

template <class List, class Matches>
bool remove_where(List& list, Matches matches) {
  const auto first = std::remove_if(list.begin(), list.end(), matches);
  const bool any = first != list.end();
  list.erase(first, list.end());
  return any;
}

Result<Rules::iterator> find_rule(Rules& rules, const std::string& name) {
  const auto found = rules.find(name);
  if (found == rules.end())
    return fail(Code::invalid, "the policy has no rule '" + name.substr(0, 64) + "'");
  return found;
}

bool serves(const sandbox_v1::NetworkEndpoint& endpoint, const std::string& host,
            std::uint32_t port) {
  const auto& ports = endpoint.ports();
  return endpoint.host() == host &&
         (endpoint.port() == port || std::find(ports.begin(), ports.end(), port) != ports.end());
}

std::string words(const std::string& host, std::uint32_t port) {
  return host.substr(0, 253) + ":" + std::to_string(port);
}

Result<> merge(const v1::AddNetworkRule& operation, sandbox_v1::SandboxPolicy& policy) {
  const std::string& name = operation.rule_name();
  if (name.empty() || !operation.has_rule() || operation.rule().endpoints().empty())
    return fail(Code::invalid, "add_rule: needs a rule_name and a rule with endpoints");
  if (is_reserved_rule_name(name))
    return fail(Code::invalid, "rule names that begin with _provider_ are the gateway's own");
  TRY_ASSIGN(const auto rule, canonical_rule(operation.rule()));
  add_rule(name, rule, policy);
  return {};
}

// An endpoint of several ports has 0 as its `port`, so that 0 would match them all.
Result<> check_port(std::uint32_t port) {
  if (port >= 1 && port <= 65'535) return {};
  return fail(Code::invalid, "port must be 1 to 65535");
}

Result<> merge(const v1::RemoveNetworkEndpoint& operation, sandbox_v1::SandboxPolicy& policy) {
  TRY(check_port(operation.port()));
  Rules& rules = *policy.mutable_network_policies();
  TRY_ASSIGN(const auto found, find_rule(rules, operation.rule_name()));
  const bool removed = remove_where(*found->second.mutable_endpoints(), [&](const auto& endpoint) {
    return serves(endpoint, operation.host(), operation.port());
  });
  if (!removed)
    return fail(Code::invalid,
                "the rule has no endpoint " + words(operation.host(), operation.port()));
  if (found->second.endpoints().empty()) rules.erase(found);
  return {};
}

Result<> merge(const v1::RemoveNetworkRule& operation, sandbox_v1::SandboxPolicy& policy) {
  Rules& rules = *policy.mutable_network_policies();
  TRY_ASSIGN(const auto found, find_rule(rules, operation.rule_name()));
  rules.erase(found);
  return {};
}

Result<> merge(const v1::RemoveNetworkBinary& operation, sandbox_v1::SandboxPolicy& policy) {
  Rules& rules = *policy.mutable_network_policies();
  TRY_ASSIGN(const auto found, find_rule(rules, operation.rule_name()));
  auto& binaries = *found->second.mutable_binaries();
  const bool removed = remove_where(
      binaries, [&](const auto& binary) { return binary.path() == operation.binary_path(); });
  if (!removed) return fail(Code::invalid, "the rule does not name that binary");
  // No binaries would mean: any program.  Whoever takes one away wants less, never more.
  if (binaries.empty()) rules.erase(found);
  return {};
}

template <class Operation, class List>
Result<> check_rules(const Operation& operation, const List& rules) {
  TRY(check_port(operation.port()));
  if (rules.size() <= rules_limit) return {};
  return fail(Code::invalid, "merge_operations: more than 100 rules in one operation");
}

struct Serving {
  std::vector<sandbox_v1::NetworkEndpoint*> endpoints;
  int rules = 0;  // in how many rules they stand
};
template <class Operation>
Result<Serving> serving(const Operation& operation, sandbox_v1::SandboxPolicy& policy) {
  Serving found;
  for (auto& [name, rule] : *policy.mutable_network_policies()) {
    const std::size_t before = found.endpoints.size();
    for (auto& endpoint : *rule.mutable_endpoints())
      if (serves(endpoint, operation.host(), operation.port()))
        found.endpoints.push_back(&endpoint);
    found.rules += found.endpoints.size() > before ? 1 : 0;
  }
  if (found.rules > 0) return found;
  return fail(Code::invalid,
              "the policy has no endpoint " + words(operation.host(), operation.port()));
}

Result<> merge(const v1::AddDenyRules& operation, sandbox_v1::SandboxPolicy& policy) {
  TRY(check_rules(operation, operation.deny_rules()));
  TRY_ASSIGN(const Serving found, serving(operation, policy));
  for (sandbox_v1::NetworkEndpoint* endpoint : found.endpoints)
    for (const auto& rule : operation.deny_rules())
      add_unless_there(*endpoint->mutable_deny_rules(), rule);
  return {};
}

Result<> merge(const v1::AddAllowRules& operation, sandbox_v1::SandboxPolicy& policy) {
  TRY(check_rules(operation, operation.rules()));
  TRY_ASSIGN(const Serving found, serving(operation, policy));
  if (found.rules > 1)
    return fail(Code::invalid, std::to_string(found.rules) + " rules of the policy have " +
                                   words(operation.host(), operation.port()) +
                                   "; add_allow_rules needs exactly one");
  for (sandbox_v1::NetworkEndpoint* endpoint : found.endpoints)
    for (const auto& rule : operation.rules()) add_unless_there(*endpoint->mutable_rules(), rule);
  return {};
}

bool same_binaries(const sandbox_v1::NetworkPolicyRule& a, const sandbox_v1::NetworkPolicyRule& b) {
  return std::equal(a.binaries().begin(), a.binaries().end(), b.binaries().begin(),
                    b.binaries().end(),
                    [](const auto& x, const auto& y) { return x.path() == y.path(); });
}

// NAME, or NAME-2 and so on where NAME is for other programs: put together, each program could use
// the other's endpoints.
std::string key_for(const Rules& rules, const std::string& name,
                    const sandbox_v1::NetworkPolicyRule& rule) {
  std::string key = name;
  for (int number = 2;; ++number) {
    const auto found = rules.find(key);
    if (found == rules.end() || same_binaries(found->second, rule)) return key;
    key = name + "-" + std::to_string(number);
  }
}

}  // namespace

bool is_reserved_rule_name(const std::string& name) { return name.starts_with("_provider_"); }

AddedRule add_rule(const std::string& name, const sandbox_v1::NetworkPolicyRule& rule,
                   sandbox_v1::SandboxPolicy& policy) {
  Rules& rules = *policy.mutable_network_policies();
  AddedRule added{key_for(rules, name, rule), rule};
  const auto found = rules.find(added.key);
  if (found == rules.end()) {
    rules[added.key] = rule;
    return added;
  }
  added.rule.clear_endpoints();
  for (const auto& endpoint : rule.endpoints())
    if (add_unless_there(*found->second.mutable_endpoints(), endpoint))
      *added.rule.add_endpoints() = endpoint;
  return added;
}

Result<> take_back(const AddedRule& added, sandbox_v1::SandboxPolicy& policy) {
  const auto& mine = added.rule.endpoints();
  if (mine.empty())
    return fail(Code::precondition,
                "the approval added nothing: the policy had it already; change the policy instead");
  Rules& rules = *policy.mutable_network_policies();
  const auto found = rules.find(added.key);
  const bool as_it_was = found != rules.end() && same_binaries(found->second, added.rule) &&
                         std::all_of(mine.begin(), mine.end(), [&](const auto& endpoint) {
                           return has(found->second.endpoints(), endpoint);
                         });
  if (!as_it_was)
    return fail(Code::precondition, "the policy's rule '" + added.key.substr(0, 64) +
                                        "' has changed since the approval; change the policy "
                                        "instead");
  remove_where(*found->second.mutable_endpoints(),
               [&](const auto& endpoint) { return has(mine, endpoint); });
  if (found->second.endpoints().empty()) rules.erase(found);
  return {};
}

Result<> apply(const v1::PolicyMergeOperation& operation, sandbox_v1::SandboxPolicy& policy) {
  switch (operation.operation_case()) {
    case v1::PolicyMergeOperation::kAddRule:
      return merge(operation.add_rule(), policy);
    case v1::PolicyMergeOperation::kRemoveEndpoint:
      return merge(operation.remove_endpoint(), policy);
    case v1::PolicyMergeOperation::kRemoveRule:
      return merge(operation.remove_rule(), policy);
    case v1::PolicyMergeOperation::kAddDenyRules:
      return merge(operation.add_deny_rules(), policy);
    case v1::PolicyMergeOperation::kAddAllowRules:
      return merge(operation.add_allow_rules(), policy);
    case v1::PolicyMergeOperation::kRemoveBinary:
      return merge(operation.remove_binary(), policy);
    case v1::PolicyMergeOperation::OPERATION_NOT_SET:
      break;
  }
  return fail(Code::invalid, "merge_operations: an operation that this gateway does not know");
}

}  // namespace keyward::gateway
