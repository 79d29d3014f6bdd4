#include "netproxy/io/readiness.hpp"

#include <sys/epoll.h>

#include <utility>

#include "netproxy/io/loop.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::uint32_t all_edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

}  // namespace

Readiness::Wait::~Wait() {
  if (waited_for_ == nullptr) return;
  Wait** link = &waited_for_->waiters;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

void Readiness::Wait::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  awaiting_ = awaiting;
  waited_for_ = &of_.state(side_);
  next_ = std::exchange(waited_for_->waiters, this);
}

Readiness::Readiness(Loop& loop, int descriptor) : loop_(loop), descriptor_(descriptor) {
  epoll_event event{all_edges, {.ptr = this}};
  watched_ = ::epoll_ctl(loop_.epoll(), EPOLL_CTL_ADD, descriptor_, &event) == 0;
}

Readiness::~Readiness() {
  cancel();
  ::epoll_ctl(loop_.epoll(), EPOLL_CTL_DEL, descriptor_, nullptr);
}

void Readiness::report_again() {
  epoll_event event{all_edges, {.ptr = this}};
  ::epoll_ctl(loop_.epoll(), EPOLL_CTL_MOD, descriptor_, &event);
}

bool Readiness::take_report(Side side) {
  if (side == Side::reading && hung_up_) return true;
  return std::exchange(state(side).reported, false);
}

void Readiness::wake(State& state, bool cancelled) {
  Wait* waiter = std::exchange(state.waiters, nullptr);
  for (; waiter != nullptr; waiter = waiter->next_) {
    waiter->waited_for_ = nullptr;
    waiter->cancelled_ = cancelled;
    loop_.make_ready(waiter->awaiting_);
  }
}

void Readiness::report(State& state) {
  state.reported = state.waiters == nullptr;
  wake(state, false);
}

void Readiness::report(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) hung_up_ = true;
  if ((events & EPOLLPRI) != 0) urgent_ = true;
  if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) report(reading_);
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) report(writing_);
}

void Readiness::cancel() {
  wake(reading_, true);
  wake(writing_, true);
}

}  // namespace keyward::netproxy
