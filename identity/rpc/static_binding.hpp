#pragma once
// The wire's bindings of static credentials: which provider they are of, and where they may be
// used. Pure.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "netproxy/endpoint_binding.hpp"
#include "openshell.pb.h"

namespace keyward::identity {

// The provider's record name: the first part of the identity "NAME:KEY".
std::string provider_of(const openshell::v1::StaticCredentialBinding& binding);

// At least one; `name` is the credential's, for the error.
Result<std::vector<netproxy::EndpointBinding>> endpoints_of(
    const std::string& name, const openshell::v1::StaticCredentialBinding& binding);

}  // namespace keyward::identity
