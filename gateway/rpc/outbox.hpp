#pragma once
// The messages that wait for a stream, which writes one at a time.  Any thread.

#include <deque>
#include <mutex>
#include <utility>

namespace keyward::gateway {

template <class Message>
class Outbox {
 public:
  static constexpr std::size_t limit = 2048;  // what a caller has not read; more is dropped

  // The message to write now; null: another one is being written.
  const Message* add(Message message) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= limit) return nullptr;
    queue_.push_back(std::move(message));
    return queue_.size() == 1 ? &queue_.front() : nullptr;
  }
  // After one was written: the next; null: none.
  const Message* next() {
    const std::lock_guard lock(mutex_);
    queue_.pop_front();
    return queue_.empty() ? nullptr : &queue_.front();
  }
  bool is_full() const {
    const std::lock_guard lock(mutex_);
    return queue_.size() >= limit;
  }
  bool is_empty() const {
    const std::lock_guard lock(mutex_);
    return queue_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Message> queue_;  // the first one is being written; a deque keeps its address
};

}  // namespace keyward::gateway
