#pragma once
// What the gateway's tests share: a directory that goes away, a clock that is set by hand, a
// gateway's parts over a fresh store.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/crypto.hpp"
#include "database.hpp"
#include "gateway/audit.hpp"
#include "gateway/authn/rate_limiter.hpp"
#include "gateway/authn/sandbox_authenticator.hpp"
#include "gateway/issue/issuer.hpp"
#include "gateway/log_book.hpp"
#include "gateway/metrics.hpp"
#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/session_book.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {

using tests::TestDirectory;

// A time that a test sets while a server's threads read it.
class SharedTime {
 public:
  SharedTime& operator=(TimePoint time) {
    since_epoch_ = time.time_since_epoch();
    return *this;
  }
  SharedTime& operator+=(TimePoint::duration step) { return *this = TimePoint(*this) + step; }
  SharedTime& operator-=(TimePoint::duration step) { return *this += -step; }
  operator TimePoint() const { return TimePoint(since_epoch_.load()); }

 private:
  std::atomic<TimePoint::duration> since_epoch_{std::chrono::milliseconds{1'800'000'000'000}};
};

struct TestClock final : Clock {
  SharedTime time;
  TimePoint now() const override { return time; }
};

inline std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline NewSandboxRow sandbox_row(const std::string& name) { return {random_uuid(), name, {}, {}}; }

inline AuthenticatorChain only(std::unique_ptr<Authenticator> authenticator) {
  std::vector<std::unique_ptr<Authenticator>> chain;
  chain.push_back(std::move(authenticator));
  return AuthenticatorChain(std::move(chain));
}

// Two sandboxes, `a` and `b`, and everything that serves them.
struct TestGateway {
  TestDatabase database;
  TestDirectory directory;
  TestClock clock;
  Secret key{std::string(32, 'k')};
  std::unique_ptr<Store> store = *open_store(database.name(), key, grants_rule());
  KeyRing ring{identity::generate_signing_key()};
  Issuer issuer{ring, "test", std::chrono::seconds(3600), *store};
  AuthenticatorChain authenticators =
      only(std::make_unique<SandboxAuthenticator>(ring, issuer.rules(), *store));
  std::unique_ptr<AuditLog> audit = *AuditLog::open(directory / "audit.jsonl", clock);
  Metrics metrics;
  LogBook logs;
  SessionBook sessions;
  CallLimits limits{RateLimiter({0, 0}), RateLimiter({0, 0})};
  NewSandboxRow a = sandbox_row("a"), b = sandbox_row("b");

  TestGateway() {
    REQUIRE(store->create_sandbox(a, {}));
    REQUIRE(store->create_sandbox(b, {}));
  }
  std::string token(const NewSandboxRow& sandbox) {
    return std::string(issuer.issue(sandbox.id, clock.now())->token.reveal());
  }
  Result<Principal> present(const std::string& token, const std::string& refresh_id = "") {
    const std::string header = "Bearer " + token;
    const char* method = refresh_id.empty() ? "GetSandboxConfig" : "RefreshSandboxToken";
    return authenticators.authenticate({header, refresh_id, method}, clock.now());
  }
};

}  // namespace keyward::gateway
