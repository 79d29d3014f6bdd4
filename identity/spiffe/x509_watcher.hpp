#pragma once
// Keeps the workload's X.509-SVID and the bundles fresh: the agent sends others when they are due.

#include <string>

#include "base/clock.hpp"
#include "identity/spiffe/agent_channel.hpp"
#include "identity/spiffe/agent_watch.hpp"
#include "identity/spiffe/x509_svid.hpp"

namespace keyward::identity {

class X509Watcher final : public X509SvidSource {
 public:
  // `spiffe_id` empty: the agent's first one, which is the default identity (SPIFFE Workload API
  // section 5.3).  Channel and clock outlive it.
  X509Watcher(AgentChannel& channel, std::string spiffe_id, const Clock& clock);

  // The first question starts the stream.  An SVID that the agent takes back (PermissionDenied),
  // one that has expired, and one that an answer without it redacts are not given any more.
  Result<std::shared_ptr<const X509Svid>> x509_svid(std::chrono::milliseconds patience) override;
  void cancel() { watch_.cancel(); }  // for the end: nobody waits any more

 private:
  using Watch = AgentWatch<X509Svid>;
  Error follow(const std::stop_token& stop, const Watch::Keep& keep);
  Watch::Taken take(const X509SVIDResponse& response) const;

  const std::string spiffe_id_;
  const Clock& clock_;
  AgentChannel& channel_;
  Watch watch_;  // last: its thread uses the others
};

class X509BundleWatcher final : public X509BundleSource {
 public:
  explicit X509BundleWatcher(AgentChannel& channel);  // which outlives it

  // The first question starts the stream.
  Result<std::shared_ptr<const X509Bundles>> x509_bundles(
      std::chrono::milliseconds patience) override;

 private:
  using Watch = AgentWatch<X509Bundles>;
  Error follow(const std::stop_token& stop, const Watch::Keep& keep);

  AgentChannel& channel_;
  Watch watch_;  // last: its thread uses the channel
};

}  // namespace keyward::identity
