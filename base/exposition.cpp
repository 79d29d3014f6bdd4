#include "base/exposition.hpp"

#include <algorithm>
#include <cstdio>

namespace keyward {
namespace {

std::string decimal(double value) {
  std::array<char, 40> digits{};
  std::snprintf(digits.data(), digits.size(), "%.10g", value);
  return digits.data();
}

}  // namespace

void DurationHistogram::count(std::chrono::microseconds time) {
  const double seconds = static_cast<double>(time.count()) / 1e6;
  const auto* bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
  ++counts_.at(static_cast<std::size_t>(bound - bounds.begin()));
  sum_ += seconds;
}

Exposition& Exposition::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = prefix_;
  name_.append(name);
  text_.append("# HELP ").append(name_).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(name_).append(" ").append(type).append("\n");
  return *this;
}

void Exposition::sample(std::string_view suffix, std::string_view labels,
                        const std::string& value) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) text_.append("{").append(labels).append("}");
  text_.append(" ").append(value).append("\n");
}

Exposition& Exposition::value(std::string_view labels, std::uint64_t value) {
  sample("", labels, std::to_string(value));
  return *this;
}

Exposition& Exposition::histogram(const DurationHistogram& histogram) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < DurationHistogram::bounds.size(); ++i) {
    below += histogram.counts_.at(i);
    sample("_bucket", label("le", decimal(DurationHistogram::bounds.at(i))), std::to_string(below));
  }
  below += histogram.counts_.back();
  sample("_bucket", label("le", "+Inf"), std::to_string(below));
  sample("_sum", "", decimal(histogram.sum_));
  sample("_count", "", std::to_string(below));
  return *this;
}

std::string Exposition::label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text + "\"";
}

}  // namespace keyward
