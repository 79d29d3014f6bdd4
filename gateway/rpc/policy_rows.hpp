#pragma once
// A policy between the wire and the store.

#include <google/protobuf/message.h>

#include <string>

#include "gateway/store/store.hpp"
#include "sandbox.pb.h"

namespace keyward::gateway {

using WirePolicy = openshell::sandbox::v1::SandboxPolicy;

// Deterministic, so that the same policy has the same hash whenever it is given.
std::string serialize(const google::protobuf::Message& message);

// Refuses what a supervisor would refuse.  `yaml`, `file`: as an operator wrote it; errors name the
// line.
Result<PolicyRow> policy_row(const std::string& yaml, const std::string& file, TimePoint now);
Result<PolicyRow> policy_row(const WirePolicy& policy, TimePoint now);

// Code::internal: what is stored is unreadable.  An empty text is an empty policy.
Result<WirePolicy> read_policy(const std::string& stored);

// The rule as a stored policy would have it, so that equal rules look equal.  Refuses what a
// supervisor would refuse.
Result<openshell::sandbox::v1::NetworkPolicyRule> canonical_rule(
    const openshell::sandbox::v1::NetworkPolicyRule& rule);

// What a running program was started with and keeps: all but the network rules.
bool same_static_part(WirePolicy a, WirePolicy b);

}  // namespace keyward::gateway
