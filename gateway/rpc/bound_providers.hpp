#pragma once
// What a sandbox is given: its providers, and what their profiles say of them.

#include "gateway/rpc/grants.hpp"

namespace keyward::gateway {

// Those without bindings of their own have their profile's, and are left out where that is gone:
// one that cannot be used must not take the others, and the sandbox's authority, along.
template <class Row>
struct BoundProviders {
  std::vector<Row> rows;           // without users' tokens (gateway/rpc/subject_tokens.hpp)
  std::vector<BoundGrant> grants;  // also those that are not good: a supervisor closes their places
};

Result<BoundProviders<ProviderRow>> bound_providers_of(Store& store, const std::string& sandbox_id);
Result<BoundProviders<ProviderOutline>> bound_outlines_of(Store& store,
                                                          const std::string& sandbox_id);

}  // namespace keyward::gateway
