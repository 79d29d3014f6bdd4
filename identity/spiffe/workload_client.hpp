#pragma once
// The SPIFFE Workload API, as a workload asks it.

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "identity/grant/svid_source.hpp"
#include "identity/jwt/jwks.hpp"
#include "identity/spiffe/agent_channel.hpp"

namespace keyward::identity {

// Trust domain to the keys that verify its JWT-SVIDs.
using JwtBundles = std::map<std::string, JwkSet>;

class WorkloadClient final : public JwtSvidSource {
 public:
  // Does not dial: the first call does.  Channel and clock outlive the client.
  WorkloadClient(AgentChannel& channel, const Clock& clock);

  // While the agent is away or not ready, tries again until `patience` is over.  The answer must
  // hold exactly one JWT-SVID, for the identity that was asked for, and it must keep the rules of
  // check_jwt_svid; two identities where none was asked for by name are an error that says so.
  Result<JwtSvid> fetch_jwt_svid(const JwtSvidRequest& request,
                                 std::chrono::milliseconds patience) override;

  // The bundles as they are now, of the own trust domain and of federated ones.  Each must be a key
  // set with at least one key that can be used.
  Result<JwtBundles> fetch_jwt_bundles(std::chrono::milliseconds patience);

  // For the end: calls that are under way fail at once, and so do later ones.
  void cancel() { stop_.request_stop(); }

 private:
  Result<JwtSvid> ask_jwt_svid(const JwtSvidRequest& request, std::chrono::milliseconds patience);
  Result<JwtBundles> ask_jwt_bundles(std::chrono::milliseconds patience);

  const Clock& clock_;
  AgentChannel& channel_;
  std::stop_source stop_;
};

}  // namespace keyward::identity
