#pragma once
// The token grants of this sandbox, as the proxy asks for them: the bindings that a request meets,
// and the headers and keys that go with them.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "identity/grant/sandbox_grants.hpp"
#include "identity/oauth/assertion_files.hpp"
#include "identity/oauth/sts_client.hpp"
#include "identity/oauth/svid_grants.hpp"
#include "identity/oauth/token_client.hpp"
#include "identity/spiffe/agent.hpp"
#include "netproxy/audit/sink.hpp"
#include "netproxy/injection.hpp"
#include "supervisor/failure_log.hpp"
#include "supervisor/user_tokens.hpp"

namespace keyward::supervisor {

struct TokenGrantSettings {
  std::optional<identity::WorkloadEndpoint> agent;     // none: bindings are refused, not ignored
  std::map<std::string, std::string> assertion_files;  // audience to path
  identity::GrantSettings grants;
  identity::TokenClientSettings endpoints;
};

// Any thread.  Nobody is asked before a request meets a binding.
class TokenGrants final : public netproxy::TokenSource {
 public:
  // `wall` and `audit` outlive it; null: nothing is recorded.
  TokenGrants(TokenGrantSettings settings, const Clock& wall, netproxy::AuditSink* audit = nullptr);

  // From now on these.  What is no longer among them stops at once, also for connections that are
  // open and for requests that wait.
  void replace(identity::SandboxGrants grants);

  // Where users' tokens come from, as UserTokens::ask().
  void ask_for_users(UserTokens::Ask ask) { users_.ask(std::move(ask)); }

  std::optional<Result<netproxy::InjectionPtr>> injection_for(const netproxy::InjectionPlace& place,
                                                              const Done& done) override;
  bool binds(std::string_view host, std::uint16_t port) const override;
  bool rejected(const netproxy::InjectionPlace& place, const netproxy::InjectionPtr& injection,
                netproxy::Rejected what) override;

  std::string metrics() const;  // in Prometheus' text format

 private:
  using Bindings = std::vector<const identity::GrantBinding*>;
  struct Gathering;

  // Each question in the audit trail.
  class Recorder final : public identity::GrantObserver {
   public:
    explicit Recorder(netproxy::AuditSink* audit) : audit_(audit) {}
    void answered(const identity::GrantReport& report) override;

   private:
    netproxy::AuditSink* audit_;
  };

  struct NoAgent final : identity::JwtSvidSource {
    Result<identity::JwtSvid> fetch_jwt_svid(const identity::JwtSvidRequest& request,
                                             std::chrono::milliseconds patience) override;
  };

  // Whom tokens come from.
  struct Issuers {
    Issuers(TokenGrantSettings settings, const Clock& wall, TokenGrants& owner);
    Issuers(const Issuers&) = delete;
    Issuers& operator=(const Issuers&) = delete;
    ~Issuers();  // gives up what is under way
    BootClock clock;
    NoAgent no_agent;
    const std::unique_ptr<identity::SpiffeAgent> agent;  // null: there is none
    identity::AssertionFiles assertions;
    identity::TokenClient endpoints;
    identity::StsClient sts;
    identity::SvidGrants grants;  // last: its threads end first
  };

  bool drop_keys(const identity::GrantBinding& binding, const netproxy::Injection& injection);
  bool drop_tokens(const identity::GrantBinding& binding, const netproxy::Injection& injection);
  Result<Bindings> select(const identity::SandboxGrants& grants,
                          const netproxy::InjectionPlace& place) const;

  Snapshot<identity::SandboxGrants> grants_;
  FailureLog failures_{"token_not_granted"};
  Recorder recorder_;
  UserTokens users_;
  std::unique_ptr<Issuers> issuers_;
};

}  // namespace keyward::supervisor
