#pragma once
// Failures in the log at an operator's pace, whatever pace a sandboxed program causes them at.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::supervisor {

// Any thread.
class FailureLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `event` outlives it.
  explicit FailureLog(std::string_view event) : event_(event) {}

  // A warning for each text once in 30 s, with how often it was kept back before.
  void note(const Error& error, Time now = std::chrono::steady_clock::now());

 private:
  struct Said {
    Time when;
    std::uint64_t kept_back = 0;
  };
  // How often it was kept back since it was said; none: it is kept back now.
  std::optional<std::uint64_t> due(const std::string& text, Time now);

  const std::string_view event_;
  std::mutex mutex_;
  std::map<std::string, Said> said_;  // bounded
};

}  // namespace keyward::supervisor
