#include "identity/rpc/session.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace keyward::identity {
namespace {

namespace v1 = openshell::v1;

// Whatever a gateway says: not so often that it hurts, not so seldom that it forgets us.
constexpr std::uint32_t shortest_interval = 5, longest_interval = 300;  // seconds

class Session {
 public:
  explicit Session(SessionStream& stream) : stream_(stream) {}

  grpc::Status run(const SessionHello& hello) {
    v1::SupervisorMessage message;
    message.mutable_hello()->set_sandbox_id(hello.sandbox_id);
    message.mutable_hello()->set_instance_id(hello.instance_id);
    write(message);
    v1::GatewayMessage answer;
    if (!stream_.Read(&answer)) return stream_.Finish();
    if (answer.has_session_rejected()) return refused(answer.session_rejected().reason());
    if (!answer.has_session_accepted()) return refused("an answer that is no session");
    const std::chrono::seconds interval(std::clamp(
        answer.session_accepted().heartbeat_interval_secs(), shortest_interval, longest_interval));
    {
      const std::jthread beats([&](const std::stop_token& stop) { beat(interval, stop); });
      while (stream_.Read(&answer)) take(answer);
    }
    return stream_.Finish();
  }

 private:
  grpc::Status refused(const std::string& reason) {
    stream_.WritesDone();
    v1::GatewayMessage rest;
    while (stream_.Read(&rest)) continue;
    const grpc::Status status = stream_.Finish();
    return status.ok() ? grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, reason) : status;
  }

  // Failures are not looked at: the read that ends tells.
  void write(const v1::SupervisorMessage& message) {
    const std::lock_guard lock(write_mutex_);
    stream_.Write(message);
  }

  void take(const v1::GatewayMessage& message) {
    if (!message.has_relay_open()) return;
    v1::SupervisorMessage answer;
    answer.mutable_relay_open_result()->set_channel_id(message.relay_open().channel_id());
    answer.mutable_relay_open_result()->set_error("relays are not served by this supervisor");
    write(answer);
  }

  void beat(std::chrono::seconds interval, const std::stop_token& stop) {
    v1::SupervisorMessage heartbeat;
    heartbeat.mutable_heartbeat();
    std::mutex mutex;
    std::condition_variable_any wait;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      wait.wait_for(lock, stop, interval, [] { return false; });
      if (!stop.stop_requested()) write(heartbeat);
    }
  }

  SessionStream& stream_;
  std::mutex write_mutex_;
};

}  // namespace

grpc::Status hold_session(SessionStream& stream, const SessionHello& hello) {
  return Session(stream).run(hello);
}

}  // namespace keyward::identity
