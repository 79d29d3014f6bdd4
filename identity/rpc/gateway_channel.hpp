#pragma once
// The channel to the gateway, which follows the files of its certificates.

#include <memory>
#include <mutex>
#include <optional>

#include "base/result.hpp"
#include "identity/rpc/channel_driver.hpp"
#include "identity/rpc/endpoint.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::identity {

class GatewayChannel {
 public:
  using Stub = openshell::v1::OpenShell::Stub;

  // Does not dial: the first call does.  Before any thread of the process reads its environment.
  static Result<std::unique_ptr<GatewayChannel>> create(GatewayEndpoint endpoint);

  // For one call; any thread.  Reads the files of endpoint.files anew: where they hold other usable
  // certificates, calls from now on go over a new connection, and calls that are under way end on
  // theirs.  Where they hold none, the ones from before are used, and the log says so once.
  std::shared_ptr<Stub> stub();

 private:
  GatewayChannel(GatewayEndpoint endpoint, GatewayTarget target);
  void follow_files();
  void use(const std::shared_ptr<grpc::Channel>& channel);

  const GatewayTarget target_;
  std::mutex mutex_;  // guards what follows
  GatewayEndpoint endpoint_;
  std::shared_ptr<Stub> stub_;
  std::optional<ChannelDriver> driver_;  // of the stub's channel
  bool refused_ = false;                 // what the files held when they were last read
};

}  // namespace keyward::identity
