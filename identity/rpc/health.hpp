#pragma once
// What a gateway says to anybody.

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "identity/rpc/agent_tls.hpp"
#include "identity/rpc/endpoint.hpp"
#include "identity/token/transport.hpp"

namespace keyward::identity {

struct GatewayHealth {
  std::string version;  // made printable and cut; may be empty
  // When it answered (RFC 9110 section 6.6.1); none: it does not say.
  std::optional<TimePoint> date;
};

// One call without a token, over a connection of its own; takes at most some seconds.
RpcResult<GatewayHealth> ask_health(const GatewayEndpoint& endpoint, AgentTls agent);

}  // namespace keyward::identity
