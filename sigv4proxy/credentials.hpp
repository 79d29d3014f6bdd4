#pragma once
// The keys of this program: the chain of identity/aws, with the effects that it needs.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/snapshot.hpp"
#include "identity/aws/keeper.hpp"
#include "netproxy/io/proxy.hpp"
#include "sigv4proxy/metrics.hpp"
#include "sigv4proxy/options.hpp"

namespace keyward::sigv4proxy {

struct Environment {
  EnvironmentMap variables;
  SecretVariables secrets;
};

// Of the AWS configuration; may be empty.  Errors: a shared file that cannot be read.
Result<std::string> region_of(const Environment& environment);

struct CredentialDeps {
  const Options& options;
  const Environment& environment;
  const netproxy::ProxySettings& names;  // DNS
  std::string region;                    // signed for
  Metrics& metrics;
  const Clock& clock;
};
// All that is referred to outlives the keeper.
std::unique_ptr<identity::KeyKeeper> keep_keys(const CredentialDeps& deps,
                                               Snapshot<identity::AwsKeyState>& state);

}  // namespace keyward::sigv4proxy
