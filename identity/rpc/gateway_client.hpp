#pragma once
// The supervisor's one gRPC channel to its gateway (proto/openshell.proto, docs/IDENTITY.md). Calls
// are synchronous with deadlines; any thread but never a proxy loop.  Every call reads the current
// token from the slot; one that was under way when the token was replaced is repeated once with the
// new one.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "identity/grant/sandbox_grants.hpp"
#include "identity/rpc/agent_tls.hpp"
#include "identity/rpc/endpoint.hpp"
#include "identity/token/slot.hpp"
#include "identity/token/transport.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::identity {

struct SandboxConfig {
  netproxy::PolicyModel policy;
  bool has_policy = false;
  std::string policy_problem;      // not empty: the policy was sent and cannot be served
  bool retain_last_valid = false;  // policy_validation_failure_mode; otherwise fail_closed
  std::uint32_t version = 0;
  std::string policy_hash;
  std::uint64_t config_revision = 0, provider_env_revision = 0;
  std::string workspace;
};

struct ProviderEnvironment {
  netproxy::Credentials credentials;  // static AWS credentials or derived keys, with bindings
  std::vector<std::pair<std::string, std::string>> environment;  // non-secret keys, for the child
  std::vector<std::string> secret_keys;  // names that the child gets as placeholders
  SandboxGrants grants;                  // endpoint-bound token grants
  std::vector<std::string> problems;     // why material was not taken; no secret in them
  std::uint64_t revision = 0;
};

struct PolicyReport {
  std::string sandbox_id;
  std::uint32_t version = 0;
  std::string load_error;  // empty: loaded
};

struct ExitReport {
  std::string sandbox_id, instance_id;
  int exit_code = 0;
};

struct SessionHello {
  std::string sandbox_id, instance_id;
};

// One line of the supervisor's own log.
struct PushedLine {
  TimePoint time;
  std::string level, message;
  std::vector<std::pair<std::string, std::string>> fields;
};

// A user's token (RFC 8693) that the gateway keeps.
struct UserToken {
  Secret token;
  std::optional<TimePoint> expires;  // none: the gateway does not know
};

// Whose token it is: a credential, with a token grant, of a provider.
struct UserTokenName {
  std::string sandbox_id, provider, credential;
};

class GatewayClient : public RefreshTransport {
 public:
  // Does not dial: the first call does.  Before any thread of the process reads its environment.
  // `agent`: what of its TLS a SPIFFE agent gives.
  static Result<std::unique_ptr<GatewayClient>> connect(const GatewayEndpoint& endpoint,
                                                        const TokenSlot& slot, AgentTls agent = {});
  virtual RpcResult<SandboxConfig> get_sandbox_config(const std::string& sandbox_id) = 0;
  virtual RpcResult<ProviderEnvironment> get_provider_environment(
      const std::string& sandbox_id) = 0;
  virtual RpcResult<UserToken> get_subject_token(const UserTokenName& name) = 0;
  virtual RpcResult<> report_policy_status(const PolicyReport& report) = 0;
  // At most three seconds.
  virtual RpcResult<> push_logs(const std::string& sandbox_id,
                                const std::vector<PushedLine>& lines) = 0;
  // Takes no longer than `within`: it delays the supervisor's own end.
  virtual RpcResult<> report_main_process_exit(const ExitReport& report,
                                               std::chrono::milliseconds within) = 0;
  // Blocks as long as the gateway keeps the session (identity/rpc/session.hpp).
  virtual RpcResult<> hold_session(const SessionHello& hello) = 0;
  // For the end: calls that are under way fail at once, later ones too.
  virtual void cancel() = 0;
};

}  // namespace keyward::identity
