#pragma once
// A connection between a user and a program in a sandbox, as two queues of bytes.  Any thread.

#include <array>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace keyward::gateway {

class Relay {
 public:
  static constexpr std::size_t queue_limit = 65'536;  // bytes each way; then the sender waits
  static constexpr std::size_t frame_cost = 64;       // bytes that each frame counts beside its own
  enum class Side { user, sandbox };

  // `changed` is called, without a lock, when there is something to read or room to write.
  void attach(Side side, std::function<void()> changed);
  bool is_whole() const;  // both sides are there

  void write(Side from, std::string data);
  bool has_room(Side from) const;
  std::optional<std::string> read(Side to);

  // This side sends no more, but may still read; what it sent is delivered.
  void end(Side from);
  // This side is gone.
  void leave(Side from);
  void fail_with(std::string reason);

  // Nothing more can come to `to` or go from it, and everything was delivered.  Why: empty, or what
  // failed.
  std::optional<std::string> is_over(Side to) const;
  // The other side sends no more, and everything was delivered to `to`.
  bool is_half_over(Side to) const;

 private:
  struct End {
    std::function<void()> changed;
    std::deque<std::string> queue;  // on its way to this side
    std::size_t bytes = 0;
    bool attached = false, ended = false, gone = false;
  };
  static std::size_t index(Side side) { return side == Side::user ? 0 : 1; }
  static Side other(Side side) { return side == Side::user ? Side::sandbox : Side::user; }
  void tell(Side side);

  mutable std::mutex mutex_;
  std::array<End, 2> ends_;
  std::string failure_;
};

}  // namespace keyward::gateway
