#pragma once
// Whether the database answers, asked on a thread of its own: a database that hangs must not hang
// who asks, nor what else the asking thread serves.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace keyward::gateway {

class Readiness {
 public:
  using Question = std::function<bool()>;  // whether the database answers; may take long
  explicit Readiness(Question question);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness() = default;  // waits for a question that is under way

  // Asks the database.  False too where it does not answer within 800 ms, and at once while
  // an earlier question has had no answer for so long.  Any thread.
  bool is_ready();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run(const std::stop_token& stop);

  const Question question_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::uint64_t asked_ = 0, answered_ = 0;  // the numbers of the questions
  bool ready_ = false;                      // the last answer
  Time oldest_;                             // when the first question without an answer was asked
  std::jthread thread_;                     // last: the others outlive it
};

}  // namespace keyward::gateway
