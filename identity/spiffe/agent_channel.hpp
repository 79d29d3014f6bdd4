#pragma once
// The one kept channel to the Workload API's socket.  An agent attests who connects, so each
// connection costs it work; it is made anew when the agent went away or its socket was replaced.

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>

#include "base/result.hpp"
#include "identity/rpc/channel_driver.hpp"
#include "identity/spiffe/endpoint.hpp"
#include "workload.grpc.pb.h"

namespace keyward::identity {

class AgentChannel {
 public:
  using Stub = SpiffeWorkloadAPI::Stub;

  // Does not dial.  Before any thread of the process reads its environment.
  explicit AgentChannel(WorkloadEndpoint endpoint);

  // For one call; any thread.  Errors: the path names no socket, or may not be looked at
  // (Code::invalid), or nothing (Code::unavailable).
  Result<std::shared_ptr<Stub>> stub();
  Result<std::shared_ptr<grpc::Channel>> channel();
  const WorkloadEndpoint& endpoint() const { return endpoint_; }

 private:
  struct SocketFile {
    dev_t device = 0;
    ino_t number = 0;
    timespec changed{};  // numbers are used again
    bool operator==(const SocketFile& other) const {
      return device == other.device && number == other.number &&
             changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
    }
  };
  Result<SocketFile> look() const;
  Result<> renew();  // with the lock held

  const WorkloadEndpoint endpoint_;
  std::mutex mutex_;  // guards what follows
  std::optional<SocketFile> file_;
  std::shared_ptr<grpc::Channel> open_;
  std::shared_ptr<Stub> stub_;  // of that channel, as is the driver
  std::optional<ChannelDriver> driver_;
};

// One call's metadata: `workload.spiffe.io: true`, exactly once, without which no agent answers.
// Without `patience` it has no end of its own: a stream.
void mark_workload_call(grpc::ClientContext& context,
                        std::optional<std::chrono::milliseconds> patience = {});

}  // namespace keyward::identity
