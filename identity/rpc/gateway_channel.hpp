#pragma once
// The channel to the gateway, which follows the files and the agent that its certificates come
// from.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.hpp"
#include "identity/rpc/agent_tls.hpp"
#include "identity/rpc/channel_driver.hpp"
#include "identity/rpc/endpoint.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::identity {

class GatewayChannel {
 public:
  using Stub = openshell::v1::OpenShell::Stub;

  // Does not dial: the first call does.  Before any thread of the process reads its environment.
  static Result<std::unique_ptr<GatewayChannel>> create(GatewayEndpoint endpoint, AgentTls agent);

  // For one call; any thread.  Reads the files of endpoint.files anew, and looks at what the agent
  // has sent: where they hold other usable certificates, calls from now on go over a new
  // connection, and calls that are under way end on theirs.  Where the files hold none, the ones
  // from before are used, and the log says so once.  An error is the agent's word, for which the
  // first call waits some seconds: without its certificates there is no connection.
  Result<std::shared_ptr<Stub>> stub();

 private:
  GatewayChannel(GatewayEndpoint endpoint, GatewayTarget target, AgentTls agent);
  bool follow_files();
  bool follow_agent(const AgentTlsNow& now);
  void connect();

  const GatewayTarget target_;
  const std::string spiffe_id_;  // of the gateway
  const AgentTls agent_;
  std::atomic<bool> waited_{false};
  std::mutex mutex_;  // guards what follows
  GatewayEndpoint endpoint_;
  AgentTlsNow from_agent_;
  std::shared_ptr<Stub> stub_;           // null: there are no certificates
  std::optional<ChannelDriver> driver_;  // of the stub's channel
  bool refused_ = false;                 // what the files held when they were last read
};

}  // namespace keyward::identity
