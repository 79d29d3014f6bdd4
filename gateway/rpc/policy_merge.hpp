#pragma once
// Small changes of a policy (PolicyMergeOperation of the wire contract).  Pure.

#include <string>

#include "base/result.hpp"
#include "policies.pb.h"

namespace keyward::gateway {

// Adding a rule under a name that is taken puts its endpoints beside those that are there; where
// the other rule is for other programs, the new one stands alone as NAME-2.  Removing the last
// endpoint removes the rule.  Code::invalid: the operation names something that the policy does not
// have, or is incomplete.  Rules of requests are allowed where one rule alone has the destination:
// in each of several they would widen what other programs may do.
Result<> apply(const openshell::v1::PolicyMergeOperation& operation,
               openshell::sandbox::v1::SandboxPolicy& policy);

// What came into a policy: the endpoints that were not there before, the programs of their rule,
// and the key under which that stands.
struct AddedRule {
  std::string key;
  openshell::sandbox::v1::NetworkPolicyRule rule;
};
// Of canonical rules.  Adds what is not there yet; the same rule twice changes nothing.
AddedRule add_rule(const std::string& name, const openshell::sandbox::v1::NetworkPolicyRule& rule,
                   openshell::sandbox::v1::SandboxPolicy& policy);
// Takes that out again.  Code::precondition, and nothing is changed: nothing was added, or it is
// not there as it was.
Result<> take_back(const AddedRule& added, openshell::sandbox::v1::SandboxPolicy& policy);

// Names that the gateway keeps for itself.
bool is_reserved_rule_name(const std::string& name);

}  // namespace keyward::gateway
