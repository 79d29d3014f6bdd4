#include "supervisor/presence.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "base/jitter.hpp"
#include "base/log.hpp"

namespace keyward::supervisor {

Presence::Presence(Hold hold)
    : hold_(std::move(hold)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Presence::run(const std::stop_token& stop) {
  std::chrono::seconds pause = shortest_pause;
  std::string last;  // said once, not at each attempt
  while (!stop.stop_requested()) {
    const auto begun = std::chrono::steady_clock::now();
    const auto ended = hold_();  // gRPC throws nothing
    if (stop.stop_requested()) return;
    if (!ended && ended.error().grpc_code == identity::grpc_cancelled) return;  // our own end
    if (!ended && ended.error().grpc_code == identity::grpc_unimplemented) {
      log::info("no_gateway_session", {{"detail", ended.error().message}});
      return;
    }
    const bool good = std::chrono::steady_clock::now() - begun >= good_session;
    const std::string detail = ended ? "" : ended.error().message;
    if (!good && detail != last) log::info("gateway_session_ended", {{"detail", detail}});
    last = good ? "" : detail;
    pause = good ? shortest_pause : std::min(2 * pause, longest_pause);
    std::unique_lock lock(mutex_);
    wait_.wait_for(lock, stop, pause + random_fraction() * spread, [] { return false; });
  }
}

}  // namespace keyward::supervisor
