#pragma once
// Keeps a session with the gateway open, so that it knows that the sandbox runs.  Nothing depends
// on it: where it cannot be had, everything else goes on.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "identity/rpc/gateway_client.hpp"

namespace keyward::supervisor {

class Presence {
 public:
  using Hold = std::function<identity::RpcResult<>()>;  // blocks as long as the session lasts

  explicit Presence(Hold hold);
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  // The session must end first: GatewayClient::cancel().
  ~Presence() = default;

  static constexpr std::chrono::seconds shortest_pause{1}, longest_pause{30};
  // Up to so much is added to each pause, at random: a gateway that comes back is not met by all of
  // its supervisors in one second.
  static constexpr std::chrono::milliseconds spread{4000};
  // After a session that lasted this long the pauses begin anew.
  static constexpr std::chrono::seconds good_session{20};

 private:
  void run(const std::stop_token& stop);

  const Hold hold_;
  std::mutex mutex_;
  std::condition_variable_any wait_;
  std::jthread thread_;
};

}  // namespace keyward::supervisor
