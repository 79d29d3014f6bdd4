#pragma once
// A value that many threads read and one replaces: readers hold an immutable version for as long as
// they need it.

#include <memory>
#include <mutex>

namespace keyward {

template <class T>
class Snapshot {
 public:
  Snapshot() = default;
  explicit Snapshot(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void set(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);  // the old version, if it dies here, dies outside the lock
  }

 private:
  mutable std::mutex
      mutex_;  // held for one pointer copy; std::atomic<shared_ptr> of GCC 12 is not TSan-clean
  std::shared_ptr<const T> value_;
};

}  // namespace keyward
