#include "identity/rpc/agent_tls.hpp"

#include "identity/jwt/spiffe_id.hpp"

namespace keyward::identity {

Result<AgentTlsNow> ask_agent(const AgentTls& agent, const std::string& spiffe_id,
                              std::chrono::milliseconds patience) {
  AgentTlsNow now;
  if (agent.client != nullptr) {
    TRY_ASSIGN(now.client, agent.client->x509_svid(patience));
  }
  if (agent.authorities == nullptr) return now;
  TRY_ASSIGN(const SpiffeId gateway, parse_spiffe_id(spiffe_id));
  TRY_ASSIGN(const std::shared_ptr<const X509Bundles> bundles,
             agent.authorities->x509_bundles(patience));
  const auto found = bundles->find(gateway.trust_domain);
  if (found == bundles->end())
    return fail(Code::not_found, "the agent has no bundle of the gateway's trust domain " +
                                     gateway.trust_domain + "; federate with it");
  now.authorities_pem = found->second;
  return now;
}

}  // namespace keyward::identity
