#pragma once
// The SPIFFE agent behind the gateway's TLS, where the settings want one.

#include <memory>

#include "base/clock.hpp"
#include "identity/rpc/agent_tls.hpp"
#include "identity/spiffe/agent.hpp"
#include "supervisor/config.hpp"

namespace keyward::supervisor {

// Null where TLS comes from files only.  Does not dial.  Before any thread of the process reads its
// environment; the clock outlives it.
std::unique_ptr<identity::SpiffeAgent> agent_of(const GatewaySettings& settings,
                                                const Clock& clock);

// `agent` may be null, and outlives what uses the answer.
identity::AgentTls tls_by(const GatewaySettings& settings, identity::SpiffeAgent* agent);

}  // namespace keyward::supervisor
