#pragma once
// Keeps the AWS keys of this supervisor's own sources in the store that the proxy signs from.

#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "identity/aws/keeper.hpp"
#include "supervisor/aws_sources.hpp"
#include "supervisor/credential_store.hpp"

namespace keyward::supervisor {

class OwnAwsKeys {
 public:
  // Waits for the first answer of each source, ten seconds for all together.  Where none is there,
  // requests that need it are refused until one is.  All that is referred to outlives this.
  OwnAwsKeys(const AwsSourceSettings& settings, CredentialStore& store, const Clock& clock);

 private:
  struct Kept {
    Snapshot<identity::AwsKeyState> state;
    std::unique_ptr<identity::KeyKeeper> keeper;  // last: it writes to the state
  };
  std::vector<std::unique_ptr<Kept>> kept_;
};

// As the proxy is to see them.  `state` null: there has been no answer yet.
netproxy::BoundAwsCredentials bound_keys(const NamedAwsSource& source,
                                         const identity::AwsKeyState* state);

}  // namespace keyward::supervisor
