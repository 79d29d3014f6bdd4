// What the gateway does in a second, on this machine, beside the primitive that bounds it.
//   gateway_bench DATABASE [CLIENTS] [SECONDS]
// Token verifications on one core against OpenSSL's Ed25519 verification of the same bytes, in
// turns; then CLIENTS that refresh their tokens one after the other (each answer is on disk), with
// the latency of GetSandboxConfig meanwhile.

#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/authn/sandbox_authenticator.hpp"
#include "gateway/rpc/server.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Steady = std::chrono::steady_clock;

constexpr int verify_turns = 20;
constexpr std::chrono::milliseconds verify_turn{200};

// Counts how often work ends in a second; the turns of two that are compared are taken one after
// the other, so that what else the machine does meets both.
class Pace {
 public:
  template <class Work>
  void take_turn(const Work& work) {
    const auto begin = Steady::now();
    while (Steady::now() - begin < verify_turn)
      for (int i = 0; i < 64; ++i, ++count_)
        if (!work()) std::abort();
    passed_ += Steady::now() - begin;
  }
  double rate() const { return double(count_) / passed_.count(); }

 private:
  long count_ = 0;
  std::chrono::duration<double> passed_{0};
};

// What OpenSSL needs when it has loaded the key already.
class RawVerifier {
 public:
  explicit RawVerifier(std::string_view public_key)
      : key_(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(public_key), 32)),
        context_(EVP_MD_CTX_new()) {}

  bool operator()(std::string_view text, std::string_view signature) const {
    EVP_MD_CTX_reset(context_.get());
    return EVP_DigestVerifyInit(context_.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context_.get(), bytes(signature), signature.size(), bytes(text),
                            text.size()) == 1;
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  static const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }

  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

void measure_verification(const Clock& clock) {
  const identity::SigningKey key = identity::generate_signing_key();
  const identity::KeySet keys = {key.verifying_key()};
  const identity::VerifyRules rules{identity::issuer_of("bench"), std::chrono::seconds(3600)};
  const TimePoint now = std::chrono::floor<std::chrono::seconds>(clock.now());
  const auto minted = identity::mint_sandbox_token(
      key, {random_uuid(), rules.issuer, random_uuid(), now, now + rules.max_life});
  const std::string token(minted->reveal());
  const auto dot = token.rfind('.');
  const std::string signed_part = token.substr(0, dot),
                    signature = *unbase64url(token.substr(dot + 1));
  const RawVerifier verify(key.public_key);
  Pace raw, whole;
  for (int turn = 0; turn < verify_turns; ++turn) {
    raw.take_turn([&] { return verify(signed_part, signature); });
    whole.take_turn([&] {
      return std::holds_alternative<identity::SandboxClaims>(
          identity::verify_sandbox_token(token, keys, rules, now));
    });
  }
  std::printf("verify: %.0f tokens/s, OpenSSL alone %.0f/s: %.2f\n", whole.rate(), raw.rate(),
              whole.rate() / raw.rate());
}

// Of this process so far, clients and server.
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return double(time.tv_sec) + double(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Served {
  SystemClock clock;
  std::unique_ptr<Store> store;
  KeyRing ring{identity::generate_signing_key()};
  std::unique_ptr<Issuer> issuer;
  std::unique_ptr<AuthenticatorChain> chain;
  std::unique_ptr<AuditLog> audit;
  Metrics metrics;
  LogBook logs;
  SessionBook sessions;
  CallLimits limits{RateLimiter({0, 0}), RateLimiter({0, 0})};
  std::unique_ptr<RunningServer> server;

  explicit Served(const std::string& database) {
    store = *open_store(database, Secret(std::string(32, 'k')));
    issuer = std::make_unique<Issuer>(ring, "bench", std::chrono::seconds(3600), *store);
    std::vector<std::unique_ptr<Authenticator>> only;
    only.push_back(std::make_unique<SandboxAuthenticator>(ring, issuer->rules(), *store));
    chain = std::make_unique<AuthenticatorChain>(std::move(only));
    audit = *AuditLog::open("/dev/null", clock);
    const ServiceDeps deps{*store, *issuer, *chain, *audit, clock, metrics, limits, logs, sessions};
    server = *start_sandbox_server({"127.0.0.1:0", nullptr, std::chrono::milliseconds(5000)}, deps);
  }
  std::unique_ptr<v1::OpenShell::Stub> client() const {
    grpc::ChannelArguments own;  // a connection of its own
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::OpenShell::NewStub(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials(), own));
  }
};

// One sandbox: refreshes until it is told to stop; each refresh uses the token of the one before.
void refresh_on(const Served& gateway, std::string token, const std::atomic<bool>& stop,
                std::atomic<long>& refreshed) {
  const auto stub = gateway.client();
  while (!stop) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + token);
    context.AddMetadata("x-keyward-refresh-id", random_uuid());
    v1::RefreshSandboxTokenResponse response;
    const grpc::Status status = stub->RefreshSandboxToken(&context, {}, &response);
    if (!status.ok()) {
      std::fprintf(stderr, "refresh: %s\n", status.error_message().c_str());
      std::abort();
    }
    token = response.token();
    ++refreshed;
  }
}

std::vector<double> time_config(const Served& gateway, const std::string& id,
                                const std::string& token, const std::atomic<bool>& stop) {
  const auto stub = gateway.client();
  std::vector<double> milliseconds;
  while (!stop) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + token);
    openshell::sandbox::v1::GetSandboxConfigRequest request;
    request.set_sandbox_id(id);
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    const auto begin = Steady::now();
    if (!stub->GetSandboxConfig(&context, request, &response).ok()) std::abort();
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(Steady::now() - begin).count());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

void measure_refreshes(const std::string& database, int clients, int seconds) {
  Served gateway(database);
  const auto token_of = [&](const NewSandboxRow& sandbox) {
    return std::string(gateway.issuer->issue(sandbox.id, gateway.clock.now())->token.reveal());
  };
  std::atomic<bool> stop{false};
  std::atomic<long> refreshed{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < clients; ++i) {
    const NewSandboxRow sandbox{random_uuid(), "box-" + std::to_string(i), gateway.clock.now(), {}};
    if (!gateway.store->create_sandbox(sandbox, {})) std::abort();
    threads.emplace_back(
        [&, token = token_of(sandbox)] { refresh_on(gateway, token, stop, refreshed); });
  }
  const NewSandboxRow watcher{random_uuid(), "watcher", gateway.clock.now(), {}};
  if (!gateway.store->create_sandbox(watcher, {})) std::abort();
  std::vector<double> latencies;
  std::jthread timing([&, token = token_of(watcher)] {
    latencies = time_config(gateway, watcher.id, token, stop);
  });
  const auto begin = Steady::now();
  const double cpu_before = cpu_seconds();
  const long before = refreshed;
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const long count = refreshed - before;
  const double cpu = cpu_seconds() - cpu_before;
  const double passed = std::chrono::duration<double>(Steady::now() - begin).count();
  stop = true;
  threads.clear();
  timing.join();
  const auto at = [&](double part) {
    return latencies.at(static_cast<std::size_t>(part * double(latencies.size() - 1)));
  };
  std::printf(
      "refresh: %d clients, %.0f durable refreshes/s, %.0f us of CPU each with its client; "
      "GetSandboxConfig p50 %.1f ms, p99 %.1f ms\n",
      clients, double(count) / passed, 1e6 * cpu / double(count), at(0.5), at(0.99));
}

}  // namespace
}  // namespace keyward::gateway

int main(int argc, char** argv) {
  using namespace keyward::gateway;
  if (argc < 2) {
    std::fprintf(stderr, "usage: gateway_bench DATABASE [CLIENTS] [SECONDS]\n");
    return 2;
  }
  measure_verification(keyward::SystemClock());
  measure_refreshes(argv[1], argc > 2 ? std::atoi(argv[2]) : 64, argc > 3 ? std::atoi(argv[3]) : 5);
}
