#pragma once
// /health and /metrics, on a port of their own, so that no path of the upstream is taken.

#include <functional>
#include <string>

#include "netproxy/io/gate.hpp"

namespace keyward::sigv4proxy {

class UtilityGate final : public netproxy::RequestGate {
 public:
  struct Health {
    bool good = false;
    std::string detail;
  };
  // Both are called on the utility port's thread.
  UtilityGate(std::function<Health()> health, std::function<std::string()> metrics)
      : health_(std::move(health)), metrics_(std::move(metrics)) {}
  netproxy::Answer<> admit(netproxy::Exchange& exchange) override;
  netproxy::Answer<> finish(netproxy::Exchange&, std::string_view,
                            netproxy::SigningKeys&) override {
    return {};
  }
  void explain(netproxy::Problem& problem) override { problem.next_steps.clear(); }
  void ended(const netproxy::Exchange&, const netproxy::Problem*) override {}

 private:
  std::function<Health()> health_;
  std::function<std::string()> metrics_;
};

}  // namespace keyward::sigv4proxy
