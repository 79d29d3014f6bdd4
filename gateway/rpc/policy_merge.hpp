#pragma once
// Small changes of a policy (PolicyMergeOperation of the wire contract).  Pure.

#include "base/result.hpp"
#include "policies.pb.h"

namespace keyward::gateway {

// Adding a rule under a name that is taken puts its endpoints beside those that are there; where
// the other rule is for other programs, the new one stands alone as NAME-2.  Removing the last
// endpoint removes the rule.  Code::invalid: the operation names something that the policy does not
// have, or is incomplete.
Result<> apply(const openshell::v1::PolicyMergeOperation& operation,
               openshell::sandbox::v1::SandboxPolicy& policy);

// Of canonical rules.  Adds what is not there yet; the same rule twice changes nothing.
void add_rule(const std::string& name, const openshell::sandbox::v1::NetworkPolicyRule& rule,
              openshell::sandbox::v1::SandboxPolicy& policy);
// Takes out the endpoints that equal the rule's.
void remove_rule(const std::string& name, const openshell::sandbox::v1::NetworkPolicyRule& rule,
                 openshell::sandbox::v1::SandboxPolicy& policy);

// Names that the gateway keeps for itself.
bool is_reserved_rule_name(const std::string& name);

}  // namespace keyward::gateway
