#pragma once
// What a proposal means, in the gateway's words.

#include "policies.pb.h"

namespace keyward::gateway {

// Sets the program and the security notes from the proposed rule: the proposer may be hostile, and
// a reviewer goes by these.  No notes: nothing about the rule is unusual.
void describe(openshell::v1::PolicyChunk& chunk);

}  // namespace keyward::gateway
