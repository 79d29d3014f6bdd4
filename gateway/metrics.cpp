#include "gateway/metrics.hpp"

namespace keyward::gateway {

void Metrics::count_request(std::string_view method, std::string_view code) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(method), std::string(code)}];
}

std::string Metrics::text() const {
  std::string text =
      "# HELP keyward_gateway_info The gateway's version.\n"
      "# TYPE keyward_gateway_info gauge\n"
      "keyward_gateway_info{version=\"" KEYWARD_VERSION
      "\"} 1\n"
      "# HELP keyward_gateway_requests_total Calls by method and gRPC status.\n"
      "# TYPE keyward_gateway_requests_total counter\n";
  const std::lock_guard lock(mutex_);
  for (const auto& [labels, count] : requests_)
    text += "keyward_gateway_requests_total{method=\"" + labels.first + "\",code=\"" +
            labels.second + "\"} " + std::to_string(count) + "\n";
  return text;
}

}  // namespace keyward::gateway
