#pragma once
// A sandbox's providers as the wire contract's provider environment.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "gateway/store/store.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

// Changes when anything changes that the environment is made of.  Made of nothing secret, since
// users can see it: a change of credentials shows in the provider's resource version.
std::uint64_t provider_revision(const std::vector<ProviderOutline>& providers);

// Without `bindings_supported` every static credential stays here: a supervisor that does not bind
// would send it anywhere. Two providers that set the same variable are an error.
Result<> fill_provider_environment(const std::vector<ProviderRow>& providers,
                                   bool bindings_supported,
                                   openshell::v1::GetSandboxProviderEnvironmentResponse& response);

}  // namespace keyward::gateway
