#pragma once
// Prometheus' text format (exposition format 0.0.4), and what is counted for it.  Pure; for several
// threads its owner holds a lock.

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace keyward {

// How long something took, by upper bounds that grow: from 5 ms to 15 s.
class DurationHistogram {
 public:
  static constexpr std::array<double, 12> bounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                    0.5,   1,    2.5,   5,    10,  15};  // seconds
  void count(std::chrono::microseconds time);

 private:
  friend class Exposition;
  std::array<std::uint64_t, bounds.size() + 1> counts_{};
  double sum_ = 0;  // seconds
};

class Exposition {
 public:
  explicit Exposition(std::string prefix) : prefix_(std::move(prefix)) {}

  // What the following values are; `type` is counter, gauge or histogram.
  Exposition& begin(std::string_view name, std::string_view type, std::string_view help);
  // `labels` as label() makes them, with commas in between; may be empty.
  Exposition& value(std::string_view labels, std::uint64_t value);
  Exposition& histogram(const DurationHistogram& histogram);
  // NAME="VALUE", with what could end the value escaped.
  static std::string label(std::string_view name, std::string_view value);

  std::string take() { return std::move(text_); }

 private:
  void sample(std::string_view suffix, std::string_view labels, const std::string& value);

  std::string prefix_, name_, text_;
};

}  // namespace keyward
