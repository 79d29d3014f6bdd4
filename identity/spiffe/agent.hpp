#pragma once
// All that a SPIFFE agent gives one workload, over one connection.

#include <string>

#include "base/clock.hpp"
#include "identity/spiffe/agent_channel.hpp"
#include "identity/spiffe/workload_client.hpp"
#include "identity/spiffe/x509_watcher.hpp"

namespace keyward::identity {

// Asks nobody before it is asked.
struct SpiffeAgent {
  // Before any thread of the process reads its environment.  The clock outlives it.
  SpiffeAgent(const WorkloadEndpoint& endpoint, const std::string& spiffe_id, const Clock& clock)
      : channel(endpoint),
        tokens(channel, clock),
        certificates(channel, spiffe_id, clock),
        authorities(channel) {}

  // For the end: whoever waits for the agent fails at once, and so does who asks later.
  void cancel() {
    tokens.cancel();
    certificates.cancel();
  }

  AgentChannel channel;
  WorkloadClient tokens;
  X509Watcher certificates;
  X509BundleWatcher authorities;
};

}  // namespace keyward::identity
