#pragma once
// Counters in Prometheus' text format (exposition format 0.0.4).  Any thread.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace keyward::gateway {

class Metrics {
 public:
  // `method` is one of ours, never a caller's text; `code` a gRPC status name.
  void count_request(std::string_view method, std::string_view code);
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> requests_;
};

}  // namespace keyward::gateway
