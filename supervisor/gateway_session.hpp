#pragma once
// The sandbox's standing with its gateway: acquires the token, fetches policy and credentials, and
// keeps all three fresh until the end.
//
// The gateway going away breaks nothing while the token lives: policy and credentials stay.  When
// the token has ended, or the gateway says that it or the sandbox is not valid, everything is
// denied until that changes.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/environment.hpp"
#include "base/snapshot.hpp"
#include "identity/rpc/gateway_client.hpp"
#include "identity/spiffe/agent.hpp"
#include "identity/token/refresher.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/policy/policy.hpp"
#include "supervisor/config.hpp"
#include "supervisor/control_socket.hpp"
#include "supervisor/credential_store.hpp"
#include "supervisor/debug_answer.hpp"
#include "supervisor/log_push.hpp"
#include "supervisor/presence.hpp"
#include "supervisor/token_grants.hpp"

namespace keyward::supervisor {

// References outlive the session.
struct SessionInputs {
  const GatewaySettings& settings;
  Secret token;                        // OPENSHELL_SANDBOX_TOKEN; may be empty
  Snapshot<netproxy::Policy>& policy;  // null or closed: everything is denied
  CredentialStore& credentials;        // has some, or none, once started
  TokenGrants& grants;
  const Clock& clock;
};

class GatewaySession final : public DebugTarget {
 public:
  // Takes at most about 15 s; says on the log what it waits for.  Errors name the setting and the
  // remedy.
  static Result<std::unique_ptr<GatewaySession>> start(SessionInputs inputs);
  GatewaySession(const GatewaySession&) = delete;
  GatewaySession& operator=(const GatewaySession&) = delete;
  ~GatewaySession() override;  // does not wait for the gateway

  // As they were at the start; fixed for the sandbox's life.
  const netproxy::PolicyModel& initial_policy() const { return initial_policy_; }
  const EnvironmentMap& provided() const { return provided_; }  // configuration for the program
  bool gives_placeholder() const { return gives_placeholder_; }

  // Tells the gateway how the program ended, again while it does not answer, and the last lines of
  // the log; each gives up after three seconds.
  void report_exit(int code);

  // DebugTarget: any thread.
  std::shared_ptr<const identity::Token> token() override { return slot_.get(); }
  identity::RpcResult<std::shared_ptr<const identity::Token>> refresh() override;
  identity::RpcResult<identity::SandboxConfig> sandbox_config(
      const std::string& sandbox_id) override;
  identity::RpcResult<std::string> metrics() override { return grants_.metrics(); }

 private:
  explicit GatewaySession(SessionInputs& inputs);
  Result<> acquire(Secret token);
  Result<> exchange_first();
  Result<> start_refresher();
  Result<> take_token(const std::shared_ptr<const identity::Token>& token);
  Result<> load_first();
  void start_log_push();
  void take_environment(identity::ProviderEnvironment environment);
  Result<> take_policy(const identity::SandboxConfig& config);

  void run(const std::stop_token& stop);
  void poll_once();
  void remember(const identity::SandboxConfig& config);
  void update(const identity::SandboxConfig& config);
  void refuse_policy(const identity::SandboxConfig& config, const Error& error);
  bool update_environment(std::uint64_t revision);
  void close_environment(std::string_view reason);
  void note_poll_failure(const identity::RpcError& error);
  void close(std::string reason);
  void lose_authority(std::string_view detail, std::string_view reason);
  void report(std::uint32_t version, const std::string& load_error);
  void send_reports();

  const GatewaySettings& settings_;
  Snapshot<netproxy::Policy>& policy_;
  CredentialStore& credentials_;
  TokenGrants& grants_;
  const Clock& clock_;
  const BootClock boot_clock_;

  identity::TokenSlot slot_;
  std::optional<identity::TokenFile> file_;
  std::optional<identity::ServiceAccountFile> service_account_;
  std::unique_ptr<identity::SpiffeAgent> agent_;  // null: TLS comes from files only
  std::unique_ptr<identity::GatewayClient> client_;

  const std::string instance_id_ = random_uuid();  // of this run

  // Written by start() only.
  netproxy::PolicyModel initial_policy_;
  EnvironmentMap provided_;
  bool gives_placeholder_ = false;

  // Written by start(), then by the poll thread, which alone reads them.
  std::uint64_t config_revision_ = 0;
  std::string policy_hash_;
  bool loaded_ = false;  // what the revisions name is what the proxy uses
  std::optional<std::uint64_t>
      environment_revision_;           // none: credentials are not those of the gateway
  unsigned environment_failures_ = 0;  // in a row
  bool poll_failing_ = false;
  std::deque<identity::PolicyReport> reports_;  // that the gateway has not taken yet, oldest first

  std::mutex wait_mutex_;
  std::condition_variable_any wait_;
  std::unique_ptr<identity::Refresher> refresher_;
  std::unique_ptr<ControlSocket> control_;
  std::optional<LogPush> log_push_;
  std::optional<Presence> presence_;
  std::jthread poller_;  // the threads come last: what they use outlives them
};

}  // namespace keyward::supervisor
