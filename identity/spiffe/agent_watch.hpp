#pragma once
// The latest of what an agent streams: each message is the whole truth, and what it does not hold
// any more is not to be used any more (SPIFFE Workload API section 4.3).

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/log.hpp"
#include "base/result.hpp"
#include "identity/grant/svid_source.hpp"

namespace keyward::identity {

template <class Value>
class AgentWatch {
 public:
  using Taken = Result<std::shared_ptr<const Value>>;
  using Keep = std::function<void(Taken)>;
  // Asks the agent, and keeps what each message says, until the stream ends; why it did.
  using Follow = std::function<Error(const std::stop_token&, const Keep&)>;

  explicit AgentWatch(Follow follow) : follow_(std::move(follow)) {}
  AgentWatch(const AgentWatch&) = delete;
  AgentWatch& operator=(const AgentWatch&) = delete;
  ~AgentWatch() = default;  // ends the stream

  // The first call starts the stream, on a thread of its own.  Waits for at most `patience` where
  // there is nothing and the agent may give something yet; any thread.
  Taken latest(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (!thread_.joinable())
      thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    changed_.wait_for(lock, patience, [this] {
      return over_ || value_ || agent_verdict(problem_.code) != AgentVerdict::retry;
    });
    if (value_ && !over_) return value_;
    return tl::unexpected(problem_);
  }
  // For the end: whoever waits gets what problem() says, and so does who comes later.
  void cancel() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  // Why nothing newer has come.
  Error problem() const {
    const std::lock_guard lock(mutex_);
    return problem_;
  }

 private:
  using Seconds = std::chrono::seconds;
  // After failures in a row one more second each time.
  static constexpr Seconds step{1}, longest_pause{30};

  void run(const std::stop_token& stop) {
    for (Seconds wait = step; !stop.stop_requested(); wait = std::min(wait + step, longest_pause)) {
      bool answered = false;
      const Error problem = follow(stop, [&](Taken taken) {
        answered = true;
        keep(std::move(taken));
      });
      if (stop.stop_requested()) return;
      if (answered) wait = step;
      // A refusal takes it back (section 5.2.1); an agent that is away does not.
      lose(problem, agent_verdict(problem.code) == AgentVerdict::retry);
      log::warn("agent_stream_ended", {{"detail", problem.what}});
      pause(stop, wait);
    }
  }

  Error follow(const std::stop_token& stop, const Keep& keep) const {
    try {
      return follow_(stop, keep);
    } catch (const std::exception&) {  // of a library: this thread must go on
      return {Code::unavailable, "the stream failed unexpectedly"};
    }
  }

  void keep(Taken taken) {
    const std::lock_guard lock(mutex_);
    value_ = taken ? *taken : nullptr;
    problem_ = taken ? Error{Code::unavailable, "the agent has not sent another one"}
                     : std::move(taken).error();
    changed_.notify_all();
  }

  void lose(const Error& problem, bool keeps) {
    const std::lock_guard lock(mutex_);
    if (!keeps) value_ = nullptr;
    problem_ = problem;
    changed_.notify_all();
  }

  static void pause(const std::stop_token& stop, Seconds time) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, stop, time, [] { return false; });
  }

  const Follow follow_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::shared_ptr<const Value> value_;
  Error problem_{Code::unavailable, "the agent has not answered yet"};  // why there is none
  bool over_ = false;
  std::jthread thread_;  // last: the others outlive it
};

}  // namespace keyward::identity
