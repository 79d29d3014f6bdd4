#include "sigv4proxy/metrics.hpp"

#include <algorithm>
#include <cstdio>

namespace keyward::sigv4proxy {
namespace {

struct Line {
  std::string_view name, help, type;
};

void append_head(std::string& text, const Line& line) {
  text.append("# HELP keyward_sigv4_").append(line.name).append(" ").append(line.help).append("\n");
  text.append("# TYPE keyward_sigv4_").append(line.name).append(" ").append(line.type).append("\n");
}

void append_value(std::string& text, std::string_view name_and_labels, std::uint64_t value) {
  text.append("keyward_sigv4_").append(name_and_labels).append(" ");
  text.append(std::to_string(value)).append("\n");
}

void append_one(std::string& text, const Line& line, std::uint64_t value) {
  append_head(text, line);
  append_value(text, line.name, value);
}

std::string seconds(double microseconds) {
  std::array<char, 40> digits{};
  std::snprintf(digits.data(), digits.size(), "%.10g", microseconds / 1e6);
  return digits.data();
}

}  // namespace

void Metrics::count(const RequestFacts& request) {
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto status = static_cast<std::size_t>(std::clamp(request.status, 0, 599));
  requests_[status].fetch_add(1, relaxed);
  const auto* bucket = std::lower_bound(bounds.begin(), bounds.end(), request.microseconds);
  durations_[static_cast<std::size_t>(bucket - bounds.begin())].fetch_add(1, relaxed);
  microseconds_.fetch_add(static_cast<std::uint64_t>(request.microseconds), relaxed);
  if (request.refused) refused_.fetch_add(1, relaxed);
  bytes_up_.fetch_add(request.bytes_up, relaxed);
  bytes_down_.fetch_add(request.bytes_down, relaxed);
}

void Metrics::append_requests(std::string& text) const {
  append_head(text, {"requests_total", "Requests by the status that the client got.", "counter"});
  for (std::size_t status = 0; status < statuses; ++status)
    if (const std::uint64_t count = requests_[status]; count > 0)
      append_value(text, "requests_total{code=\"" + std::to_string(status) + "\"}", count);
}

void Metrics::append_durations(std::string& text) const {
  append_head(text, {"request_duration_seconds",
                     "Time from a request's head to the end of its "
                     "answer.",
                     "histogram"});
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    below += durations_[i];
    append_value(
        text,
        "request_duration_seconds_bucket{le=\"" + seconds(static_cast<double>(bounds[i])) + "\"}",
        below);
  }
  below += durations_.back();
  append_value(text, "request_duration_seconds_bucket{le=\"+Inf\"}", below);
  text.append("keyward_sigv4_request_duration_seconds_sum ")
      .append(seconds(static_cast<double>(microseconds_.load())))
      .append("\n");
  append_value(text, "request_duration_seconds_count", below);
}

std::string Metrics::text(const Gauges& gauges) const {
  std::string text;
  append_requests(text);
  append_durations(text);
  append_one(text, {"refusals_total", "Requests that the proxy answered itself.", "counter"},
             refused_);
  append_one(text, {"signatures_total", "Requests that were signed.", "counter"}, signatures_);
  append_head(text, {"body_bytes_total", "Bytes of bodies.", "counter"});
  append_value(text, "body_bytes_total{direction=\"up\"}", bytes_up_);
  append_value(text, "body_bytes_total{direction=\"down\"}", bytes_down_);
  append_one(text, {"connections", "Client connections.", "gauge"}, gauges.connections);
  append_head(text, {"key_renewals_total", "Attempts to get keys.", "counter"});
  append_value(text, "key_renewals_total{outcome=\"good\"}", renewals_);
  append_value(text, "key_renewals_total{outcome=\"failed\"}", failed_renewals_);
  const auto& keys = gauges.keys.keys;
  const TimePoint end_of_keys = keys ? keys->expires.value_or(TimePoint::max()) : TimePoint::min();
  const bool usable = end_of_keys > gauges.now;
  append_one(text, {"keys_usable", "1: there are keys to sign with.", "gauge"}, usable ? 1 : 0);
  if (keys && keys->expires) {
    const auto end = std::chrono::floor<std::chrono::seconds>(end_of_keys.time_since_epoch());
    append_one(text, {"keys_expire_timestamp_seconds", "When the keys end.", "gauge"},
               static_cast<std::uint64_t>(end.count()));
  }
  return text;
}

}  // namespace keyward::sigv4proxy
