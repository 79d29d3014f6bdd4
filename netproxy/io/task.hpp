#pragma once
// A coroutine of a loop's thread: what reads like a function and waits like a callback.

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace keyward::netproxy {

// Memory for coroutine frames, kept per thread: a request makes a dozen of them.  Wiped when it is
// given back, since a frame may hold a token.
void* take_frame(std::size_t size);
void give_frame(void* frame, std::size_t size) noexcept;

class PromiseBase {
 public:
  static void* operator new(std::size_t size) { return take_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { give_frame(frame, size); }

  struct End {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      ended.promise().end();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  End final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }

  // Runs `self`, whose promise this is, until it ends or waits.  False: it has ended.  Else
  // `awaiting` is resumed when it does: a call, and no transfer of control, so that a loop over
  // tasks that never wait needs no stack, whatever the compiler makes of it.
  bool begin(std::coroutine_handle<> self, std::coroutine_handle<> awaiting) {
    self.resume();
    if (ended_) return false;
    awaiting_ = awaiting;
    return true;
  }

 protected:
  void rethrow_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void end() noexcept {
    ended_ = true;
    if (awaiting_) awaiting_.resume();  // which may destroy this
  }

  std::coroutine_handle<> awaiting_;
  std::exception_ptr failure_;
  bool ended_ = false;
};

template <class T>
class Promise : public PromiseBase {
 public:
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow_failure();
    if (!value_) std::terminate();  // it has not ended
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  void return_void() const noexcept {}
  void take() const { rethrow_failure(); }
};

// Begins when it is awaited, once; throws there what it has thrown.  Destroying it destroys all
// that it waits for.
template <class T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : Promise<T> {
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
  };
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  struct Awaiter {
    Handle frame;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiting) const {
      return frame.promise().begin(frame, awaiting);
    }
    T await_resume() const { return frame.promise().take(); }
  };
  Awaiter operator co_await() const&& noexcept { return Awaiter{frame_}; }

  std::coroutine_handle<> handle() const noexcept { return frame_; }

 private:
  explicit Task(Handle frame) : frame_(frame) {}
  Handle frame_;
};

}  // namespace keyward::netproxy
