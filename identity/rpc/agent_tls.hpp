#pragma once
// What of the gateway's TLS a SPIFFE agent gives in place of files.

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "identity/grant/svid_source.hpp"

namespace keyward::identity {

// Each outlives what uses it; null: not from the agent.
struct AgentTls {
  X509SvidSource* client = nullptr;         // presents its X.509-SVID to the gateway
  X509BundleSource* authorities = nullptr;  // whom the gateway's certificate must lead to
};

// As the agent gave it; empty what is not asked for.
struct AgentTlsNow {
  std::shared_ptr<const X509Svid> client;
  std::string authorities_pem;
  bool operator==(const AgentTlsNow&) const = default;
};

// Waits for at most `patience` for each.  `spiffe_id`: the gateway's, whose trust domain it is.  An
// error: nothing of it may be used, also not what was given before.
Result<AgentTlsNow> ask_agent(const AgentTls& agent, const std::string& spiffe_id,
                              std::chrono::milliseconds patience);

}  // namespace keyward::identity
