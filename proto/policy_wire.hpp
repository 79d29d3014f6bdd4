#pragma once
// SandboxPolicy on the wire and PolicyModel in the code.  Used by the rpc folders only.

#include "base/result.hpp"
#include "netproxy/policy/model.hpp"
#include "sandbox.pb.h"

namespace keyward::wire {

openshell::sandbox::v1::SandboxPolicy to_wire(const netproxy::PolicyModel& model);

// Refuses, by name, what this version does not serve: a field that would be ignored would be a rule
// that does not hold.
Result<netproxy::PolicyModel> from_wire(const openshell::sandbox::v1::SandboxPolicy& policy);

}  // namespace keyward::wire
