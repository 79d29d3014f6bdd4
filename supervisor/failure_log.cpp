#include "supervisor/failure_log.hpp"

#include "base/log.hpp"

namespace keyward::supervisor {
namespace {

constexpr std::chrono::seconds pause{30};
constexpr std::size_t texts_limit = 256;

}  // namespace

std::optional<std::uint64_t> FailureLog::due(const std::string& text, Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = said_.find(text);
  if (found != said_.end() && now < found->second.when + pause) {
    ++found->second.kept_back;
    return std::nullopt;
  }
  if (found != said_.end()) {
    const std::uint64_t kept_back = found->second.kept_back;
    found->second = {now, 0};
    return kept_back;
  }
  if (said_.size() >= texts_limit)
    std::erase_if(said_, [now](const auto& each) { return now >= each.second.when + pause; });
  if (said_.size() >= texts_limit) return std::nullopt;
  said_.emplace(text, Said{now, 0});
  return 0;
}

void FailureLog::note(const Error& error, Time now) {
  const std::optional<std::uint64_t> kept_back = due(error.what, now);
  if (!kept_back) return;
  if (*kept_back == 0) return log::warn(event_, {{"detail", error.what}});
  log::warn(event_, {{"detail", error.what}, {"kept_back", std::to_string(*kept_back)}});
}

}  // namespace keyward::supervisor
