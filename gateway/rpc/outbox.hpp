#pragma once
// The messages that wait for a stream, which writes one at a time.  Any thread.

#include <deque>
#include <mutex>
#include <utility>

namespace keyward::gateway {

template <class Message>
class Outbox {
 public:
  static constexpr std::size_t limit = std::size_t{1} << 20;  // bytes that the caller has not read

  struct Added {
    bool taken = false;              // false: it is full, and the message is gone
    const Message* first = nullptr;  // to be written now; null: another one is being written
  };
  Added add(Message message) {
    const std::lock_guard lock(mutex_);
    if (bytes_ >= limit) return {};
    bytes_ += size_of(message);
    queue_.push_back(std::move(message));
    return {true, queue_.size() == 1 ? &queue_.front() : nullptr};
  }
  // After one was written: the next; null: none.
  const Message* next() {
    const std::lock_guard lock(mutex_);
    bytes_ -= size_of(queue_.front());
    queue_.pop_front();
    return queue_.empty() ? nullptr : &queue_.front();
  }
  bool is_empty() const {
    const std::lock_guard lock(mutex_);
    return queue_.empty();
  }

 private:
  static std::size_t size_of(const Message& message) { return message.ByteSizeLong() + 64; }

  mutable std::mutex mutex_;
  std::deque<Message> queue_;  // the first one is being written; a deque keeps its address
  std::size_t bytes_ = 0;
};

}  // namespace keyward::gateway
