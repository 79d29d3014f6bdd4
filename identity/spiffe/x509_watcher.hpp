#pragma once
// Keeps the workload's X.509-SVID fresh: the agent sends another one when it is due.

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/snapshot.hpp"
#include "identity/spiffe/agent_channel.hpp"
#include "identity/spiffe/x509_svid.hpp"

namespace keyward::identity {

class X509Watcher {
 public:
  // Asks at once, on its own thread.  `spiffe_id` empty: the agent's first one, which is the
  // default identity (SPIFFE Workload API section 5.3).  The clock outlives it.
  X509Watcher(WorkloadEndpoint endpoint, std::string spiffe_id, const Clock& clock);
  X509Watcher(const X509Watcher&) = delete;
  X509Watcher& operator=(const X509Watcher&) = delete;
  ~X509Watcher() = default;  // ends the stream

  // The latest, or why there is none: one that the agent takes back (PermissionDenied), one that
  // has expired, and one that an answer without it redacts are not given any more.  Any thread.
  Result<std::shared_ptr<const X509Svid>> svid() const;

 private:
  struct State {
    std::shared_ptr<const X509Svid> svid;
    Error problem{Code::unavailable, "the agent has not answered yet"};
  };
  void run(const std::stop_token& stop);
  Error follow(const std::stop_token& stop);
  Result<std::shared_ptr<const X509Svid>> take(X509SVIDResponse& response) const;
  void keep(std::shared_ptr<const X509Svid> svid, Error problem);

  const std::string spiffe_id_;
  const Clock& clock_;
  AgentChannel channel_;
  Snapshot<State> state_;
  std::jthread thread_;  // last: the others outlive it
};

}  // namespace keyward::identity
