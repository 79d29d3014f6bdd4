#pragma once
// Who this sandbox is and what it may use: the snapshots that the proxy reads, filled once in local
// mode and kept fresh by a gateway session otherwise.

#include <memory>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/snapshot.hpp"
#include "netproxy/audit/sink.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/policy/policy.hpp"
#include "supervisor/config.hpp"
#include "supervisor/control_socket.hpp"
#include "supervisor/credential_store.hpp"
#include "supervisor/gateway_session.hpp"
#include "supervisor/own_aws_keys.hpp"

namespace keyward::supervisor {

struct Identity {
  std::unique_ptr<netproxy::AuditSink> audit;  // first: the others write to it
  netproxy::Placeholder placeholder = netproxy::make_placeholder();
  Snapshot<netproxy::Policy> policy;  // null or closed: everything is denied
  CredentialStore credentials;
  std::unique_ptr<TokenGrants> grants;
  netproxy::PolicyModel initial_policy;     // its file system and user hold for the sandbox's life
  EnvironmentMap provided;                  // non-secret configuration for the program
  bool gives_placeholder = false;           // the program gets placeholder keys
  std::unique_ptr<GatewaySession> session;  // null in local mode
  std::unique_ptr<OwnAwsKeys> own_keys;     // null: none; the threads of both end first
  std::unique_ptr<DebugTarget> local_target;  // of the next; both null in gateway mode
  std::unique_ptr<ControlSocket> control;
};

// Local mode: compiles the policy and takes the credentials over.  Gateway mode: acquires the
// token, asks the gateway, starts the refresher.  Both: asks the sources of AWS keys that are
// named. Errors name the setting and the remedy; nothing has been started then.  `config` outlives
// it.
Result<std::unique_ptr<Identity>> start_identity(const Config& config, LocalSettings local,
                                                 SecretVariables secrets, const Clock& clock);

}  // namespace keyward::supervisor
