#pragma once
// Which signing keys a sandbox is given instead of a secret (docs/IDENTITY.md).  Pure.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/store/store.hpp"
#include "netproxy/sigv4/derived_keys.hpp"

namespace keyward::gateway {

// Services and regions: at least one each, names as in a credential scope and no patterns, none
// twice, at most 64 pairs.  Credentials: an AWS key id and its secret, a session token perhaps, and
// nothing else, since nothing else can be derived from.
Result<> check_derived_keys(const ProviderRow& provider);

// The dates (YYYYMMDD, oldest first) whose keys the sandbox has at `now`: today's; the next day's
// from 40 to 20 minutes before midnight UTC on, each sandbox at a moment of its own; the day
// before's for the skew window after midnight.
std::vector<std::string> key_dates(const std::string& sandbox_id, TimePoint now);

// One key for each date, service and region.
std::vector<netproxy::DerivedKey> derive_keys(const ProviderRow& provider,
                                              const std::vector<std::string>& dates);

}  // namespace keyward::gateway
