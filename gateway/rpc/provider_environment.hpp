#pragma once
// A sandbox's providers as the wire contract's provider environment.

#include <cstdint>

#include "base/result.hpp"
#include "gateway/rpc/bound_providers.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

// Changes when anything changes that the environment is made of.  Made of nothing secret, since
// users can see it: a change of credentials shows in the provider's resource version.
std::uint64_t provider_revision(const BoundProviders<ProviderOutline>& providers);

// What the supervisor that asks understands.
struct SupervisorSupport {
  bool static_bindings = false;  // else every static credential stays here: it would go anywhere
  bool extended_grants = false;  // else those stay here that it would read as something else
};

// Two providers that set the same variable are an error.
Result<> fill_provider_environment(const BoundProviders<ProviderRow>& providers,
                                   const SupervisorSupport& support,
                                   openshell::v1::GetSandboxProviderEnvironmentResponse& response);

}  // namespace keyward::gateway
