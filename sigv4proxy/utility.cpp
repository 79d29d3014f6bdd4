#include "sigv4proxy/utility.hpp"

namespace keyward::sigv4proxy {

netproxy::Answer<> UtilityGate::admit(netproxy::Exchange& exchange) {
  const netproxy::RequestHead& head = exchange.request;
  const std::string path = head.target.substr(0, head.target.find('?'));
  const std::string plain = "text/plain; charset=utf-8";
  if (head.method != "GET" && head.method != "HEAD") {
    exchange.local = netproxy::LocalAnswer{405, plain, "GET only\n"};
  } else if (path == "/health" || path == "/") {
    const Health health = health_();
    exchange.local = netproxy::LocalAnswer{health.good ? 200 : 503, plain, health.detail + "\n"};
  } else if (path == "/metrics") {
    exchange.local =
        netproxy::LocalAnswer{200, "text/plain; version=0.0.4; charset=utf-8", metrics_()};
  } else {
    exchange.local = netproxy::LocalAnswer{404, plain, "/health and /metrics are here\n"};
  }
  return {};
}

}  // namespace keyward::sigv4proxy
