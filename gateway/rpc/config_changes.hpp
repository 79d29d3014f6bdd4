#pragma once
// Changes of a sandbox's policy and settings, and the policy's history.

#include "gateway/rpc/call_context.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "policies.pb.h"

namespace keyward::gateway {

// A user replaces the policy, changes parts of it, or sets a setting; what a program was started
// with (all but the network rules) stays.  A sandbox that has no policy yet may bring the paths
// that its own system needs (OpenShell's supervisor does so at its start), and later say the same
// that is there: an image must not write the policy of what runs in it.
Result<> update_config(const CallContext& call, const openshell::v1::UpdateConfigRequest& request,
                       openshell::v1::UpdateConfigResponse& response);

// The sandbox that a request names.  A sandbox that calls is always itself: by now its name may be
// another's.
Result<SandboxRow> addressed_sandbox(const CallContext& call, const std::string& name,
                                     const std::string& workspace);

struct NewRevision {
  std::uint32_t version = 0;
  std::string hash;
};
// The next revision of the sandbox's policy.  Code::conflict: it is not the one that `sandbox`
// holds any more.
Result<NewRevision> add_revision(const CallContext& call, const SandboxRow& sandbox,
                                 const WirePolicy& policy);

Result<> get_policy_status(const CallContext& call,
                           const openshell::v1::GetSandboxPolicyStatusRequest& request,
                           openshell::v1::GetSandboxPolicyStatusResponse& response);
Result<> list_policies(const CallContext& call,
                       const openshell::v1::ListSandboxPoliciesRequest& request,
                       openshell::v1::ListSandboxPoliciesResponse& response);

}  // namespace keyward::gateway
