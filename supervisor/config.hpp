#pragma once
// What a run is configured with, from options, environment and files; read once, before anything of
// the sandbox exists.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "identity/rpc/gateway_client.hpp"
#include "netproxy/io/proxy.hpp"
#include "netproxy/policy/policy.hpp"
#include "supervisor/aws_sources.hpp"
#include "supervisor/child_environment.hpp"
#include "supervisor/local_credentials.hpp"
#include "supervisor/options.hpp"
#include "supervisor/token_grants.hpp"

namespace keyward::supervisor {

// The variables that carry secrets: taken out of the environment in place, before anything else is
// read.  Those of AWS are the supervisor's where its options say so.
std::vector<std::string> secret_variables(const RunOptions& options = {});

struct GatewaySettings {
  identity::GatewayEndpoint endpoint;
  std::optional<identity::WorkloadEndpoint> agent;  // of the endpoint's TLS; none: from files only
  std::string spiffe_id;                            // of this supervisor, at the agent
  bool presents_svid = false;                       // to the gateway
  std::string
      token_file;  // OPENSHELL_SANDBOX_TOKEN_FILE; empty when the token came by the environment
  std::string sandbox_id;  // OPENSHELL_SANDBOX_ID; must agree with the token's; may be empty
  std::string kubernetes_token_file;  // OPENSHELL_K8S_SA_TOKEN_FILE
  std::string control_socket;         // KEYWARD_CONTROL_SOCKET; empty = default_control_path()
  unsigned poll_seconds = 10;
  std::optional<log::Level> push_level = log::Level::info;  // OPENSHELL_LOG_PUSH_LEVEL; none: off
  TokenGrantSettings grants;
};

// From OPENSHELL_ENDPOINT and its companions, whether or not an endpoint is set.
Result<GatewaySettings> gateway_settings(const EnvironmentMap& environment,
                                         const IdentityOptions& options);

struct LocalSettings {
  netproxy::PolicyModel policy;
  bool has_policy = false;  // without: everything is denied
  LocalCredentials credentials;
  TokenGrantSettings grants;
  std::string control_socket;  // as in GatewaySettings
};

struct Config {
  RunOptions options;
  EnvironmentMap environment;              // without the secret variables
  std::optional<GatewaySettings> gateway;  // set: gateway mode
  LocalSettings local;                     // used in local mode
  netproxy::ProxySettings proxy;
  AwsSourceSettings aws;            // without a source that is named: empty
  std::vector<std::string> hidden;  // must exist
  std::vector<std::string> hidden_if_present;
  std::string audit_file;  // "-" = standard error
};

// The parts of load_config().  Errors name the option, variable or file and the remedy.
constexpr const char* default_audit_file = "/var/log/keyward/audit.jsonl";
Result<LocalSettings> local_settings(const RunOptions& options);
Result<netproxy::ProxySettings> proxy_settings(const RunOptions& options);
Result<> collect_hidden(Config& config);         // what the sandbox must not see
Result<> check_modes(const Config& config);      // options that belong to the other mode
Result<> check_providers(const Config& config);  // names that the file and the options give

// `secrets`: secret_variables(); those of the sources of AWS keys are copied.
Result<Config> load_config(RunOptions options, EnvironmentMap environment,
                           const SecretVariables& secrets);

}  // namespace keyward::supervisor
