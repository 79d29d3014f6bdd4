#pragma once
// What sigv4-proxy counts, in Prometheus' text format (exposition format 0.0.4).  Any thread, no
// lock.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "identity/aws/keys.hpp"

namespace keyward::sigv4proxy {

struct RequestFacts {
  int status = 0;        // answered to the client
  bool refused = false;  // by the proxy itself
  std::uint64_t bytes_up = 0, bytes_down = 0;
  std::int64_t microseconds = 0;
};

class Metrics {
 public:
  void count(const RequestFacts& request);
  void count_signature() { signatures_.fetch_add(1, std::memory_order_relaxed); }
  void count_renewal(bool succeeded) {
    (succeeded ? renewals_ : failed_renewals_).fetch_add(1, std::memory_order_relaxed);
  }

  // What is not counted but looked at.
  struct Gauges {
    std::size_t connections = 0;
    identity::AwsKeyState keys;
    TimePoint now;
  };
  std::string text(const Gauges& gauges) const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  static constexpr std::size_t statuses = 600;
  // Upper bounds of the buckets, in microseconds.
  static constexpr std::array<std::int64_t, 12> bounds = {
      500,     1'000,   2'500,   5'000,     10'000,    25'000,
      100'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000};

  void append_requests(std::string& text) const;
  void append_durations(std::string& text) const;

  std::array<Counter, statuses> requests_{};
  std::array<Counter, bounds.size() + 1> durations_{};
  Counter microseconds_{0}, refused_{0}, signatures_{0}, bytes_up_{0}, bytes_down_{0};
  Counter renewals_{0}, failed_renewals_{0};
};

}  // namespace keyward::sigv4proxy
