#pragma once
// One thread's event loop.  Deadlines are fields that a coarse tick checks, not timers: a timer per
// operation costs more than the operation.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <list>

#include "base/result.hpp"

namespace keyward::netproxy {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

using SteadyTime = std::chrono::steady_clock::time_point;

class Stream;

// Everything but `stop` belongs to the loop's own thread.
class Loop {
 public:
  static constexpr std::chrono::milliseconds tick{250};

  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  asio::io_context& context() { return context_; }
  SteadyTime now() const { return now_; }  // as of the last tick
  void on_tick(std::function<void()> action) { actions_.push_back(std::move(action)); }
  bool stopping() const { return stopping_; }
  bool draining() const { return draining_ || stopping_; }

  // Runs until stop() was called and every coroutine has ended, at most two seconds later.
  void run();
  void stop();  // any thread
  // Nothing more begins: what is under way goes on, streams that are idle end.  Any thread.
  // stop() begins with it.
  void drain();
  void on_drain(std::function<void()> action) { drain_actions_.push_back(std::move(action)); }
  void on_stop(std::function<void()> action) { stop_actions_.push_back(std::move(action)); }

 private:
  friend class Stream;
  Task<> keep_time();
  void check_streams();

  std::list<Stream*> streams_;  // before the context: streams in suspended coroutines die with it
  void begin_drain();

  std::vector<std::function<void()>> actions_, drain_actions_, stop_actions_;
  SteadyTime now_ = std::chrono::steady_clock::now();
  SteadyTime stop_by_{};
  bool draining_ = false;
  bool stopping_ = false;
  asio::io_context context_{1};
  asio::steady_timer timer_{context_};
};

// Lets one coroutine of a loop wait for another.
class Event {
 public:
  explicit Event(Loop& loop, SteadyTime until = SteadyTime::max())
      : timer_(loop.context(), until) {}
  void set() {
    set_ = true;
    timer_.cancel();
  }
  Task<> wait();  // until it is set, or until then

 private:
  bool set_ = false;
  asio::steady_timer timer_;
};

}  // namespace keyward::netproxy
