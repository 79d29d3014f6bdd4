#include "identity/rpc/channel_driver.hpp"

#include <grpcpp/channel.h>

#include <chrono>

namespace keyward::identity {
namespace {

constexpr std::chrono::milliseconds turn{100};
constexpr std::chrono::milliseconds look{500};  // how often a connection is asked whether it stands

}  // namespace

ChannelDriver::ChannelDriver(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ChannelDriver::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const grpc_connectivity_state state = channel_->GetState(false);
    if (state == GRPC_CHANNEL_CONNECTING || state == GRPC_CHANNEL_TRANSIENT_FAILURE)
      channel_->WaitForStateChange(state, std::chrono::system_clock::now() + turn);
    else
      pause_.wait_for(lock, stop, look, [] { return false; });
  }
}

}  // namespace keyward::identity
