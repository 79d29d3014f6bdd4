#pragma once
// ProviderProfileCredential with a token_grant, between the wire and the code.  Used by the rpc
// folders only.

#include <vector>

#include "base/result.hpp"
#include "identity/grant/binding.hpp"
#include "identity/grant/wire_binding.hpp"
#include "providers.pb.h"

namespace keyward::wire {

// The fields, as they came.
identity::WireCredential from_wire(const openshell::v1::ProviderProfileCredential& credential);

Result<std::vector<identity::GrantOverride>> overrides_from_wire(
    const openshell::v1::ProviderCredentialTokenGrant& grant);

// `credential` as dynamic_credentials has it: with the audience and the scopes of one of its
// bindings, and without overrides.
openshell::v1::ProviderProfileCredential to_wire(
    const identity::GrantBinding& binding, openshell::v1::ProviderProfileCredential credential);

}  // namespace keyward::wire
