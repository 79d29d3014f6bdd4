#include <array>
#include <memory>
#include <new>

#include "base/secret.hpp"
#include "netproxy/io/task.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t step = 128, largest = 4096;  // bytes
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kept_of_a_size = 0;  // bytes; a frame that is used again hides its misuse
#else
constexpr std::size_t kept_of_a_size = 32768;  // bytes
#endif

std::size_t steps(std::size_t size) { return (size + step - 1) / step; }

// Frames of one size that nobody uses, each holding the next.
class Spares {
 public:
  Spares() = default;
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;
  ~Spares() {
    while (void* frame = take()) ::operator delete(frame);
  }
  void* take() {
    if (first_ == nullptr) return nullptr;
    Link* link = first_;
    first_ = link->next;
    --count_;
    return link;
  }
  bool give(void* frame, std::size_t size) {
    if ((count_ + 1) * size > kept_of_a_size) return false;
    first_ = std::construct_at(static_cast<Link*>(frame), Link{first_});
    ++count_;
    return true;
  }

 private:
  struct Link {
    Link* next;
  };
  Link* first_ = nullptr;
  std::size_t count_ = 0;
};

Spares& spares(std::size_t size) {
  thread_local std::array<Spares, largest / step + 1> lists;
  return lists[steps(size)];
}

}  // namespace

void* take_frame(std::size_t size) {
  if (size > largest) return ::operator new(size);
  void* frame = spares(size).take();
  return frame != nullptr ? frame : ::operator new(steps(size) * step);
}

void give_frame(void* frame, std::size_t size) noexcept {
  wipe(frame, size);
  if (size > largest || !spares(size).give(frame, steps(size) * step)) ::operator delete(frame);
}

}  // namespace keyward::netproxy
