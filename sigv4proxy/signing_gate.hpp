#pragma once
// What sigv4-proxy decides about a request: how it is rewritten, how its body is signed, and that
// nothing leaves without a signature.

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "identity/aws/keys.hpp"
#include "netproxy/io/gate.hpp"
#include "netproxy/sigv4/verifier.hpp"
#include "sigv4proxy/metrics.hpp"
#include "sigv4proxy/rewrite.hpp"
#include "sigv4proxy/upstream.hpp"

namespace keyward::sigv4proxy {

struct GateSettings {
  Upstream upstream;
  std::shared_ptr<AwsHosts> hosts;  // set: these instead of one upstream
  Rewriting rewriting;
  std::size_t hold_limit = 0;  // bytes
  std::chrono::seconds signature_lifetime{0};
  bool unsigned_payload = false, dry_run = false, log_signing = false, log_failed = false;
};

struct GateDeps {
  const Snapshot<identity::AwsKeyState>& keys;
  Metrics& metrics;
  const Clock& clock;
  netproxy::VerificationKeys* clients = nullptr;  // set: only what these have signed is signed
};

class SigningGate final : public netproxy::RequestGate {
 public:
  SigningGate(GateSettings settings, GateDeps deps) : settings_(std::move(settings)), deps_(deps) {}
  netproxy::Answer<> admit(netproxy::Exchange& exchange) override;
  netproxy::Answer<> finish(netproxy::Exchange& exchange, std::string_view body,
                            netproxy::SigningKeys& keys) override;
  void explain(netproxy::Problem& problem) override;
  void ended(const netproxy::Exchange& exchange, const netproxy::Problem* problem) override;

 private:
  netproxy::Answer<> choose_payload(netproxy::Exchange& exchange) const;
  netproxy::Answer<std::shared_ptr<const identity::AwsKeys>> usable_keys() const;
  netproxy::Answer<> check_client(netproxy::Exchange& exchange) const;
  netproxy::Answer<> plan_chunks(netproxy::Exchange& exchange) const;
  Result<> sign(netproxy::Exchange& exchange, const netproxy::SigningInput& input) const;
  void describe(netproxy::Exchange& exchange, const std::string& target) const;

  GateSettings settings_;
  GateDeps deps_;
};

}  // namespace keyward::sigv4proxy
