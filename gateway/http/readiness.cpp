#include "gateway/http/readiness.hpp"

#include <utility>

namespace keyward::gateway {
namespace {

constexpr std::chrono::milliseconds patience{800};

}  // namespace

Readiness::Readiness(Question question) : question_(std::move(question)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

bool Readiness::is_ready() {
  std::unique_lock lock(mutex_);
  const Time now = std::chrono::steady_clock::now();
  if (asked_ == answered_) oldest_ = now;
  if (now - oldest_ > patience) return false;
  const std::uint64_t mine = ++asked_;
  changed_.notify_all();
  return changed_.wait_for(lock, patience, [&] { return answered_ >= mine; }) && ready_;
}

void Readiness::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return asked_ != answered_; })) {
    const std::uint64_t question = asked_;  // one answer serves all that have been asked
    lock.unlock();
    const bool answers = question_();
    lock.lock();
    answered_ = question;
    ready_ = answers;
    oldest_ = std::chrono::steady_clock::now();
    changed_.notify_all();
  }
}

}  // namespace keyward::gateway
