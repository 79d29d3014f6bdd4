#pragma once
// Lets a channel connect while no call is under way.
//
// gRPC's synchronous calls drive their channel only as long as they last, and a call that finds the
// channel without a connection fails at once.  A connection attempt that begins between two calls
// would time out in the middle of its TLS handshake, and so would the next one: a gateway that was
// away for some seconds would not be found again.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace grpc {
class Channel;
}

namespace keyward::identity {

class ChannelDriver {
 public:
  explicit ChannelDriver(std::shared_ptr<grpc::Channel> channel);
  ChannelDriver(const ChannelDriver&) = delete;
  ChannelDriver& operator=(const ChannelDriver&) = delete;
  ~ChannelDriver() = default;  // waits a tenth of a second at most, and not at all when connected

 private:
  void run(const std::stop_token& stop);

  std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;  // nothing is guarded: the pause needs one
  std::condition_variable_any pause_;
  std::jthread thread_;  // last: the others outlive it
};

}  // namespace keyward::identity
