#pragma once
// One thread's event loop: coroutines, the descriptors that they wait for, and the time.  Deadlines
// are fields that a coarse tick checks, not timers: a timer per operation costs more than the
// operation.

#include <chrono>
#include <coroutine>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/io/readiness.hpp"
#include "netproxy/io/task.hpp"

namespace keyward::netproxy {

using SteadyTime = std::chrono::steady_clock::time_point;

class Event;
class Stream;

// Everything but `post`, `drain` and `stop` belongs to the loop's own thread, or to who has made it
// while it does not run yet.
class Loop {
 public:
  static constexpr std::chrono::milliseconds tick{250};

  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Comes first.  Errors: Code::io where the system has no descriptors left.
  Result<> open();

  SteadyTime now() const { return now_; }  // as of the last tick
  void on_tick(std::function<void()> action) { actions_.push_back(std::move(action)); }
  bool stopping() const { return stopping_; }
  bool draining() const { return draining_ || stopping_; }

  // Begins with those who are ready next, and ends by itself or with the loop.
  void spawn(Task<> task);
  // Awaiting it lets all others go first who are ready, and the loop look at its descriptors.
  class Turn {
   public:
    explicit Turn(Loop& loop) : loop_(loop) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) { loop_.make_ready(awaiting); }
    void await_resume() const noexcept {}

   private:
    Loop& loop_;
  };
  Turn next_turn() { return Turn(*this); }
  // Resumed with those who are ready next.
  void make_ready(std::coroutine_handle<> waiting) { ready_.push_back(waiting); }
  // Done soon, by the loop's thread; any thread, for as long as the loop lives.
  void post(std::function<void()> action);

  // Runs until stop() was called and every task has ended, at most two seconds later.
  void run();
  void stop();  // any thread
  // Nothing more begins: what is under way goes on, streams that are idle end.  Any thread.
  // stop() begins with it.
  void drain();
  void on_drain(std::function<void()> action) { drain_actions_.push_back(std::move(action)); }
  void on_stop(std::function<void()> action) { stop_actions_.push_back(std::move(action)); }

 private:
  friend class Event;
  friend class Readiness;
  friend class Stream;
  using Actions = std::vector<std::function<void()>>;

  int epoll() const { return epoll_.get(); }
  Task<> keep(Task<> task, std::list<Task<>>::iterator place);
  bool is_over() const;
  void look();
  void run_posted();
  void run_ready();
  void keep_time();
  void check_streams();
  void check_events();
  void begin_drain();

  UniqueFd epoll_, wake_;
  Actions actions_, drain_actions_, stop_actions_;
  SteadyTime now_ = std::chrono::steady_clock::now();
  SteadyTime next_tick_ = now_ + tick;
  SteadyTime stop_by_{};
  bool draining_ = false;
  bool stopping_ = false;

  std::mutex mutex_;
  Actions posted_;

  std::vector<std::coroutine_handle<>> ready_, running_;
  std::list<Stream*> streams_;
  std::list<Event*> events_;         // that somebody awaits, with an end
  std::list<Task<>> tasks_, ended_;  // last: what waits in them dies with them, and uses the above
};

// Lets one coroutine of a loop wait for another.
class Event {
 public:
  explicit Event(Loop& loop, SteadyTime until = SteadyTime::max()) : loop_(loop), until_(until) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { forget(); }
  void set();

  // Until it is set, or until then (seen by the tick).
  class Wait {
   public:
    explicit Wait(Event& event) : event_(event) {}
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> awaiting) { event_.remember(awaiting); }
    void await_resume() const noexcept {}

   private:
    Event& event_;
  };
  Wait wait() { return Wait(*this); }

 private:
  friend class Loop;
  void remember(std::coroutine_handle<> awaiting);
  void forget();

  Loop& loop_;
  SteadyTime until_;
  bool set_ = false;
  std::coroutine_handle<> awaiting_;
  std::list<Event*>::iterator entry_;  // where there is an end and somebody waits
};

}  // namespace keyward::netproxy
