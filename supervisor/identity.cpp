#include "supervisor/identity.hpp"

#include "netproxy/audit/jsonl.hpp"

namespace keyward::supervisor {
namespace {

// Where there is no gateway and no token, what was counted can still be asked for.
class LocalTarget final : public DebugTarget {
 public:
  explicit LocalTarget(const TokenGrants& grants) : grants_(grants) {}
  std::shared_ptr<const identity::Token> token() override { return nullptr; }
  identity::RpcResult<std::shared_ptr<const identity::Token>> refresh() override { return none(); }
  identity::RpcResult<identity::SandboxConfig> sandbox_config(const std::string&) override {
    return none();
  }
  identity::RpcResult<std::string> metrics() override { return grants_.metrics(); }

 private:
  static tl::unexpected<identity::RpcError> none() {
    return tl::unexpected(identity::RpcError{identity::grpc_failed_precondition, without_gateway});
  }

  const TokenGrants& grants_;
};

// For metrics alone, so only where something is counted, or somebody asks for it.
Result<> open_local_control(Identity& identity, const LocalSettings& local, bool has_grants) {
  if (!has_grants && local.control_socket.empty()) return {};
  identity.local_target = std::make_unique<LocalTarget>(*identity.grants);
  TRY_ASSIGN(identity.control, open_control_socket(local.control_socket, *identity.local_target));
  return {};
}

Result<> start_local(Identity& identity, LocalSettings& local, const Clock& clock) {
  LocalCredentials& credentials = local.credentials;
  identity.gives_placeholder = !credentials.keys.aws.empty() || gives_keys(credentials.grants);
  const bool has_grants = !credentials.grants.table.bindings().empty();
  identity.credentials.deliver(std::move(credentials.keys));
  identity.grants =
      std::make_unique<TokenGrants>(std::move(local.grants), clock, identity.audit.get());
  identity.grants->replace(std::move(credentials.grants));
  TRY(open_local_control(identity, local, has_grants));
  if (!local.has_policy) return {};  // nothing loaded: everything is denied
  TRY_ASSIGN(netproxy::Policy policy, netproxy::compile(local.policy));
  identity.initial_policy = local.policy;
  identity.policy.set(std::make_shared<const netproxy::Policy>(std::move(policy)));
  return {};
}

Result<> start_session(Identity& identity, const GatewaySettings& settings,
                       SecretVariables& secrets, const Clock& clock) {
  identity.grants = std::make_unique<TokenGrants>(settings.grants, clock, identity.audit.get());
  SessionInputs inputs{settings,         std::move(secrets["OPENSHELL_SANDBOX_TOKEN"]),
                       identity.policy,  identity.credentials,
                       *identity.grants, clock};
  TRY_ASSIGN(identity.session, GatewaySession::start(std::move(inputs)));
  identity.initial_policy = identity.session->initial_policy();
  identity.provided = identity.session->provided();
  identity.gives_placeholder = identity.session->gives_placeholder();
  return {};
}

}  // namespace

Result<std::unique_ptr<Identity>> start_identity(const Config& config, LocalSettings local,
                                                 SecretVariables secrets, const Clock& clock) {
  auto identity = std::make_unique<Identity>();
  TRY_ASSIGN(identity->audit, netproxy::open_audit_file(config.audit_file, clock));
  if (config.gateway)
    TRY(start_session(*identity, *config.gateway, secrets, clock));
  else
    TRY(start_local(*identity, local, clock));
  if (config.aws.named.empty()) return identity;
  identity->gives_placeholder = true;
  identity->own_keys = std::make_unique<OwnAwsKeys>(config.aws, identity->credentials, clock);
  return identity;
}

}  // namespace keyward::supervisor
