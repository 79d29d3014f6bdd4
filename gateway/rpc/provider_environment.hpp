#pragma once
// A sandbox's providers as the wire contract's provider environment.

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/rpc/bound_providers.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

// Derived keys come and go with time, for each sandbox at another moment.
struct SandboxMoment {
  std::string sandbox_id;
  TimePoint now;
};

// What the supervisor that asks can do.
struct EnvironmentReader {
  SandboxMoment at;
  bool binds_credentials = false;  // else every static credential stays here
  bool takes_derived_keys = false;
  bool extended_grants = false;  // else those stay here that it would read as something else
};

// Changes when anything changes that the environment is made of, but for keys that run out, which
// a supervisor drops itself.  Made of nothing secret, since users can see it: a change of
// credentials shows in the provider's resource version.
std::uint64_t provider_revision(const BoundProviders<ProviderOutline>& providers,
                                const SandboxMoment& at);

// A supervisor that does not bind gets no static credential: it would send it anywhere.  Of a
// provider with derived keys nobody gets the secret; one that does not take derived keys gets
// nothing.  Two providers that set the same variable are an error.
Result<> fill_provider_environment(const BoundProviders<ProviderRow>& providers,
                                   const EnvironmentReader& reader,
                                   openshell::v1::GetSandboxProviderEnvironmentResponse& response);

}  // namespace keyward::gateway
