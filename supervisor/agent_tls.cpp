#include "supervisor/agent_tls.hpp"

namespace keyward::supervisor {

std::unique_ptr<identity::SpiffeAgent> agent_of(const GatewaySettings& settings,
                                                const Clock& clock) {
  if (!settings.agent) return nullptr;
  return std::make_unique<identity::SpiffeAgent>(*settings.agent, settings.spiffe_id, clock);
}

identity::AgentTls tls_by(const GatewaySettings& settings, identity::SpiffeAgent* agent) {
  if (agent == nullptr) return {};
  return {settings.presents_svid ? &agent->certificates : nullptr,
          settings.endpoint.spiffe_id.empty() ? nullptr : &agent->authorities};
}

}  // namespace keyward::supervisor
