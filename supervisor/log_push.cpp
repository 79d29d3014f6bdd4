#include "supervisor/log_push.hpp"

#include <algorithm>
#include <chrono>

namespace keyward::supervisor {
namespace {

using identity::PushedLine;

constexpr std::chrono::milliseconds gather{500};  // so that one push carries several lines
constexpr std::chrono::seconds first_pause{1}, longest_pause{30};

}  // namespace

LogPush::LogPush(Push push, log::Level level, const Clock& clock)
    : push_(std::move(push)), level_(level), clock_(clock) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  log::set_observer(this);
}

LogPush::~LogPush() {
  log::set_observer(nullptr);
  thread_.request_stop();
}

void LogPush::line(log::Level level, std::string_view event, log::Fields fields) {
  if (level < level_) return;
  PushedLine line{clock_.now(), std::string(log::name_of(level)), std::string(event), {}};
  for (const auto& [name, value] : fields) line.fields.emplace_back(name, value);
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(line));
    if (queue_.size() > queue_limit) {
      queue_.pop_front();
      ++lost_;
    }
  }
  more_.notify_one();
}

std::vector<PushedLine> LogPush::take() {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), batch_limit));
  std::vector<PushedLine> lines(std::make_move_iterator(queue_.begin()),
                                std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return lines;
}

void LogPush::put_back(std::vector<PushedLine> lines) {
  const std::lock_guard lock(mutex_);
  queue_.insert(queue_.begin(), std::make_move_iterator(lines.begin()),
                std::make_move_iterator(lines.end()));
  for (; queue_.size() > queue_limit; ++lost_) queue_.pop_front();
}

// Nothing is dropped silently.
bool LogPush::push_with_losses(std::vector<PushedLine> lines) {
  const std::uint64_t lost = lost_;
  if (lost > 0)
    lines.insert(lines.begin(),
                 {clock_.now(), "warn", "log_lines_lost", {{"count", std::to_string(lost)}}});
  if (!push_(lines)) return false;
  lost_ -= lost;
  return true;
}

// Says nothing of its own failures on the log: that would feed it.
void LogPush::run(const std::stop_token& stop) {
  auto pause = first_pause;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      more_.wait(lock, stop, [this] { return !queue_.empty(); });
      more_.wait_for(lock, stop, gather, [this] { return queue_.size() >= batch_limit; });
    }
    std::vector<PushedLine> lines = take();
    if (lines.empty()) continue;
    if (push_with_losses(lines)) {
      pause = first_pause;
      continue;
    }
    if (stop.stop_requested()) return;
    put_back(std::move(lines));
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(pause * 2, longest_pause);
  }
  for (std::vector<PushedLine> last = take(); !last.empty(); last = take())
    if (!push_with_losses(std::move(last))) return;
}

}  // namespace keyward::supervisor
