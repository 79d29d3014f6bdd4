#include "netproxy/io/loop.hpp"

#include "netproxy/io/stream.hpp"

namespace keyward::netproxy {

Loop::Loop() = default;
Loop::~Loop() = default;

Task<> Event::wait() {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!set_) {
    const auto [cancelled] = co_await timer_.async_wait(token);
    if (!cancelled) co_return;  // the time is over
  }
}

Task<> Loop::keep_time() {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!stopping_ || (!streams_.empty() && now_ < stop_by_)) {
    timer_.expires_after(tick);
    co_await timer_.async_wait(token);
    now_ = std::chrono::steady_clock::now();
    check_streams();
    for (const auto& action : actions_) action();
  }
  if (!streams_.empty()) context_.stop();
}

void Loop::check_streams() {
  // A stream may not leave the list while it is looked at: waiters are woken through the context.
  for (Stream* stream : streams_) {
    if (stopping_) stream->cancel();
    stream->check(now_);
  }
}

void Loop::run() {
  asio::co_spawn(context_, keep_time(), asio::detached);
  context_.run();
}

void Loop::stop() {
  asio::post(context_, [this] {
    stopping_ = true;
    stop_by_ = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    begin_drain();
    for (const auto& action : stop_actions_) action();
    timer_.cancel();
  });
}

void Loop::drain() {
  asio::post(context_, [this] { begin_drain(); });
}

void Loop::begin_drain() {
  if (std::exchange(draining_, true)) return;
  for (const auto& action : drain_actions_) action();
  for (Stream* stream : streams_)
    if (stream->idle()) stream->cancel();
}

}  // namespace keyward::netproxy
