#include "netproxy/io/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "netproxy/io/stream.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::chrono::seconds patience_at_stop{2};

}  // namespace

Result<> Loop::open() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno("epoll_create1");
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return fail_errno("eventfd");
  epoll_event event{EPOLLIN, {.ptr = nullptr}};  // no Readiness: somebody has posted something
  if (::epoll_ctl(epoll(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

Loop::~Loop() = default;

void Loop::spawn(Task<> task) {
  tasks_.emplace_back();
  const auto place = std::prev(tasks_.end());
  *place = keep(std::move(task), place);
  make_ready(place->handle());
}

Task<> Loop::keep(Task<> task, std::list<Task<>>::iterator place) {
  try {
    co_await std::move(task);
  } catch (const std::exception& failure) {
    log::error("task_failed", {{"what", failure.what()}});
  }
  ended_.splice(ended_.end(), tasks_, place);  // destroyed once it does not run any more
}

void Loop::post(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(action));
  ::eventfd_write(wake_.get(), 1);
}

void Loop::run_posted() {
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  Actions actions;
  {
    const std::lock_guard lock(mutex_);
    actions.swap(posted_);
  }
  for (const auto& action : actions) action();
}

bool Loop::is_over() const { return stopping_ && (tasks_.empty() || now_ >= stop_by_); }

void Loop::run() {
  while (!is_over()) {
    look();
    run_ready();
    if (std::chrono::steady_clock::now() >= next_tick_) keep_time();
  }
}

// Nothing of what waits runs here: a Readiness that was reported may be gone after that.
void Loop::look() {
  std::array<epoll_event, 128> events;
  const auto until_tick =
      std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - std::chrono::steady_clock::now());
  const auto patience = ready_.empty() ? std::max<std::int64_t>(until_tick.count(), 0) : 0;
  const int count = ::epoll_wait(epoll(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(patience));
  bool woken = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr)
      woken = true;
    else
      static_cast<Readiness*>(event.data.ptr)->report(event.events);
  }
  if (woken) run_posted();
}

// What becomes ready meanwhile has its turn after the next look at the descriptors.
void Loop::run_ready() {
  running_.swap(ready_);
  for (const std::coroutine_handle<> waiting : running_) waiting.resume();
  running_.clear();
  ended_.clear();
}

void Loop::keep_time() {
  now_ = std::chrono::steady_clock::now();
  next_tick_ = now_ + tick;
  check_streams();
  check_events();
  for (const auto& action : actions_) action();
}

void Loop::check_streams() {
  // A stream may not leave the list while it is looked at: waiters are woken at the next turn.
  for (Stream* stream : streams_) {
    if (stopping_) stream->cancel();
    stream->check(now_);
  }
}

void Loop::check_events() {
  for (auto next = events_.begin(); next != events_.end();) {
    Event& event = **next++;
    if (now_ >= event.until_) event.set();
  }
}

void Loop::stop() {
  post([this] {
    stopping_ = true;
    stop_by_ = std::chrono::steady_clock::now() + patience_at_stop;
    begin_drain();
    for (const auto& action : stop_actions_) action();
    next_tick_ = std::chrono::steady_clock::now();
  });
}

void Loop::drain() {
  post([this] { begin_drain(); });
}

void Loop::begin_drain() {
  if (std::exchange(draining_, true)) return;
  for (const auto& action : drain_actions_) action();
  for (Stream* stream : streams_)
    if (stream->idle()) stream->cancel();
}

void Event::remember(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  if (until_ != SteadyTime::max()) entry_ = loop_.events_.insert(loop_.events_.end(), this);
}

void Event::forget() {
  if (std::exchange(awaiting_, {}) && until_ != SteadyTime::max()) loop_.events_.erase(entry_);
}

void Event::set() {
  set_ = true;
  if (!awaiting_) return;
  loop_.make_ready(awaiting_);
  forget();
}

}  // namespace keyward::netproxy
