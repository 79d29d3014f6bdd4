#pragma once
// What epoll(7) says of one descriptor, for the coroutines of a loop that wait for it.

#include <coroutine>
#include <cstdint>

namespace keyward::netproxy {

class Loop;

// Edge-triggered: what is reported once is remembered until somebody has waited for it.  So try
// first, wait when the try would have blocked, and try again after every wait.
class Readiness {
  struct State;

 public:
  enum class Side { reading, writing };

  // `descriptor` stays open for as long as this lives.
  Readiness(Loop& loop, int descriptor);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness();  // whoever waits is told that it was cancelled

  // All who wait for a side are woken by its next report.  Awaiting gives false: cancelled.
  class Wait {
   public:
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait();
    bool await_ready() const noexcept { return of_.take_report(side_); }
    void await_suspend(std::coroutine_handle<> awaiting) noexcept;
    bool await_resume() const noexcept { return !cancelled_; }

   private:
    friend class Readiness;
    Wait(Readiness& of, Side side) : of_(of), side_(side) {}
    Readiness& of_;
    Side side_;
    State* waited_for_ = nullptr;  // while it is
    Wait* next_ = nullptr;         // who waits for the same
    std::coroutine_handle<> awaiting_;
    bool cancelled_ = false;
  };
  Wait wait(Side side) { return {*this, side}; }

  // False: the system has no room to watch it, and nothing is ever reported.
  bool is_watched() const { return watched_; }
  // TCP's urgent data has come (tcp(7)): a read ends before it although more is there, and no
  // further report tells of that.  Nobody who speaks HTTP sends it.
  bool is_urgent() const { return urgent_; }
  // False: nothing has come in since the last wait, as far as the loop has looked.
  bool has_report() const { return reading_.reported || hung_up_; }
  void cancel();        // all who wait now
  void report_again();  // also what has been reported before, where it still holds

 private:
  friend class Loop;
  struct State {
    bool reported = false;
    Wait* waiters = nullptr;
  };
  State& state(Side side) { return side == Side::reading ? reading_ : writing_; }
  bool take_report(Side side);
  void report(std::uint32_t events);
  void report(State& state);
  void wake(State& state, bool cancelled);

  Loop& loop_;
  int descriptor_;
  bool watched_ = false;
  State reading_, writing_;
  // The peer sends no more: there is no further edge, and reading never blocks.
  bool hung_up_ = false;
  bool urgent_ = false;
};

}  // namespace keyward::netproxy
