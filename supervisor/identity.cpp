#include "supervisor/identity.hpp"

#include "netproxy/audit/jsonl.hpp"

namespace keyward::supervisor {
namespace {

Result<> start_local(Identity& identity, LocalSettings& local, const Clock& clock) {
  LocalCredentials& credentials = local.credentials;
  identity.gives_placeholder = !credentials.keys.aws.empty() || gives_keys(credentials.grants);
  identity.credentials.deliver(std::move(credentials.keys));
  identity.grants =
      std::make_unique<TokenGrants>(std::move(local.grants), clock, identity.audit.get());
  identity.grants->replace(std::move(credentials.grants));
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
