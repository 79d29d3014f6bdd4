#include "supervisor/config.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "base/file.hpp"
#include "identity/jwt/spiffe_id.hpp"
#include "identity/rpc/tls_files.hpp"
#include "identity/spiffe/endpoint.hpp"
#include "netproxy/policy/yaml.hpp"
#include "supervisor/grant_settings.hpp"
#include "supervisor/trust.hpp"

namespace keyward::supervisor {
namespace {

constexpr const char* service_account_volume = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string value_of(const EnvironmentMap& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Result<unsigned> seconds_of(const EnvironmentMap& environment, const std::string& name,
                            unsigned otherwise) {
  const std::string text = value_of(environment, name);
  if (text.empty()) return otherwise;
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds == 0 || seconds > 86400)
    return fail(Code::invalid, name + ": must be a number of seconds from 1 to 86400");
  return seconds;
}

Result<std::pair<std::string, netproxy::Address>> host_alias(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    return fail(Code::invalid, "--host-alias " + text + ": expected NAME=IP");
  TRY_ASSIGN(std::string host, netproxy::canonical_host(text.substr(0, equals)));
  auto address = netproxy::parse_address(text.substr(equals + 1));
  if (!address) return fail_at("--host-alias " + text, std::move(address).error());
  return std::pair{std::move(host), *address};
}

// Every address of this network namespace: what must never be dialled on behalf of the sandbox.
Result<std::vector<netproxy::Address>> own_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_errno("own addresses: getifaddrs");
  std::vector<netproxy::Address> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    netproxy::Address address;
    if (entry->ifa_addr->sa_family == AF_INET) {
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr, 4);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      address.v6 = true;
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  ::freeifaddrs(list);
  return addresses;
}

// Absent files are normal in small images: then there are no names but the aliases.
Result<std::string> file_if_present(const char* path) {
  Result<std::string> content = read_file(path);
  if (!content && content.error().code == Code::not_found) return std::string();
  return content;
}

Result<std::optional<log::Level>> push_level(const EnvironmentMap& environment) {
  constexpr const char* name = "OPENSHELL_LOG_PUSH_LEVEL";
  const std::string text = value_of(environment, name);
  if (text.empty()) return log::Level::info;
  if (text == "off") return std::nullopt;
  for (const auto level :
       {log::Level::debug, log::Level::info, log::Level::warn, log::Level::error})
    if (text == log::name_of(level)) return level;
  return fail(Code::invalid, std::string(name) + ": debug, info, warn, error or off");
}

Result<> refuse_beside(const EnvironmentMap& environment, const char* option,
                       std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (!value_of(environment, name).empty())
      return fail(Code::invalid,
                  std::string(option) + ": is in place of " + name + "; unset one of the two");
  return {};
}

// What the options take from files and names, and give to the SPIFFE agent.
Result<> set_agent_tls(const EnvironmentMap& environment, const IdentityOptions& options,
                       GatewaySettings& settings) {
  settings.spiffe_id = options.spiffe_id;
  settings.presents_svid = options.client == ClientIdentity::spiffe;
  settings.endpoint.spiffe_id = options.gateway_spiffe_id;
  const bool checks_svid = !options.gateway_spiffe_id.empty();
  if (!settings.presents_svid && !checks_svid) return {};
  const char* option = checks_svid ? "--gateway-spiffe-id" : "--gateway-client-identity";
  if (checks_svid) {
    const auto id = identity::parse_spiffe_id(options.gateway_spiffe_id);
    if (!id) return fail_at(option, id.error());
    TRY(refuse_beside(environment, option,
                      {"OPENSHELL_TLS_CA", "OPENSHELL_GATEWAY_TLS_SERVER_NAME"}));
  }
  if (settings.presents_svid)
    TRY(refuse_beside(environment, "--gateway-client-identity",
                      {"OPENSHELL_TLS_CERT", "OPENSHELL_TLS_KEY"}));
  if (settings.endpoint.url.starts_with("http:"))
    return fail(Code::invalid, std::string(option) + ": needs OPENSHELL_ENDPOINT with https://");
  TRY_ASSIGN(settings.agent, identity::find_workload_endpoint(environment));
  if (settings.agent) return {};
  return fail(Code::invalid, std::string(option) + ": needs the SPIFFE Workload API, and " +
                                 identity::workload_socket_variable + " is not set");
}

}  // namespace

std::vector<std::string> secret_variables(const RunOptions& options) {
  std::vector<std::string> names = aws_secrets_of(options);
  names.emplace_back("OPENSHELL_SANDBOX_TOKEN");
  return names;
}

Result<LocalSettings> local_settings(const RunOptions& options) {
  LocalSettings settings;
  if (!options.policy_file.empty()) {
    TRY_ASSIGN(const std::string text, read_file(options.policy_file, netproxy::policy_file_limit));
    TRY_ASSIGN(settings.policy, netproxy::parse_policy(text, options.policy_file));
    settings.has_policy = true;
  }
  if (!options.local_credentials_file.empty()) {
    TRY_ASSIGN(settings.credentials, load_local_credentials(options.local_credentials_file));
  }
  return settings;
}

Result<netproxy::ProxySettings> proxy_settings(const RunOptions& options) {
  netproxy::ProxySettings settings;
  settings.threads = options.proxy_threads;
  TRY_ASSIGN(settings.resolv_conf, file_if_present("/etc/resolv.conf"));
  TRY_ASSIGN(settings.hosts, file_if_present("/etc/hosts"));
  for (const std::string& text : options.host_aliases) {
    TRY_ASSIGN(auto alias, host_alias(text));
    settings.host_aliases.push_back(std::move(alias));
  }
  TRY_ASSIGN(TrustStore store,
             load_trust_store({options.upstream_ca_file, options.upstream_ca_only_file}));
  if (!store.said.empty()) log::warn("trust_store_empty", {{"detail", store.said}});
  settings.trust_store_pem = std::move(store.pem);
  TRY_ASSIGN(settings.own_addresses, own_addresses());
  return settings;
}

// Every secret's directory is covered.
Result<> collect_hidden(Config& config) {
  config.hidden = config.options.hidden;
  for (const char* name :
       {"OPENSHELL_SANDBOX_TOKEN_FILE", "OPENSHELL_TLS_KEY", "OPENSHELL_K8S_SA_TOKEN_FILE"})
    if (const std::string path = value_of(config.environment, name); !path.empty()) {
      if (::access(path.c_str(), F_OK) != 0) return fail_errno(std::string(name) + ": " + path);
      config.hidden.push_back(path);
    }
  TRY_ASSIGN(const auto assertions, assertion_files(config.options));
  for (const auto& [audience, path] : assertions) {
    if (::access(path.c_str(), F_OK) != 0) return fail_errno("--grant-assertion-file: " + path);
    config.hidden.push_back(path);
  }
  if (!config.options.local_credentials_file.empty())
    config.hidden.push_back(config.options.local_credentials_file);
  for (std::string& path : files_of(config.aws)) config.hidden.push_back(std::move(path));
  for (const char* name : {identity::workload_socket_variable, identity::spiffe_socket_variable}) {
    const std::string text = value_of(config.environment, name);
    if (text.empty()) continue;
    TRY_ASSIGN(auto endpoint, identity::parse_workload_endpoint(name, text));
    config.hidden.push_back(std::move(endpoint.path));
  }
  config.hidden_if_present = {service_account_volume, "/run/keyward", "/run/keyward-gateway",
                              "/var/lib/keyward", "/var/log/keyward"};
  return {};
}

Result<> check_modes(const Config& config) {
  const IdentityOptions& identity = config.options.identity;
  if (!config.gateway &&
      (identity.client == ClientIdentity::spiffe || !identity.gateway_spiffe_id.empty()))
    return fail(Code::invalid,
                "--gateway-client-identity, --gateway-spiffe-id: need OPENSHELL_ENDPOINT");
  if (!config.gateway) return {};
  if (!config.options.policy_file.empty())
    return fail(
        Code::invalid,
        "--policy: the gateway at OPENSHELL_ENDPOINT gives the policy; unset one of the two");
  if (!config.options.local_credentials_file.empty())
    return fail(Code::invalid,
                "--local-credentials: the gateway at OPENSHELL_ENDPOINT gives the credentials; "
                "unset one of the two");
  return {};
}

Result<> check_providers(const Config& config) {
  for (const netproxy::BoundAwsCredentials& bound : config.local.credentials.keys.aws)
    for (const NamedAwsSource& source : config.aws.named)
      if (bound.provider == source.provider)
        return fail(Code::invalid, "--aws-credentials " + source.provider +
                                       ": --local-credentials has keys of that name, too");
  return {};
}

Result<GatewaySettings> gateway_settings(const EnvironmentMap& environment,
                                         const IdentityOptions& options) {
  GatewaySettings settings;
  settings.endpoint.url = value_of(environment, "OPENSHELL_ENDPOINT");
  settings.endpoint.files = {value_of(environment, "OPENSHELL_TLS_CA"),
                             value_of(environment, "OPENSHELL_TLS_CERT"),
                             value_of(environment, "OPENSHELL_TLS_KEY")};
  TRY_ASSIGN(auto read, identity::changed_tls(settings.endpoint));
  if (read) settings.endpoint = std::move(*read);
  settings.endpoint.server_name = value_of(environment, "OPENSHELL_GATEWAY_TLS_SERVER_NAME");
  TRY(set_agent_tls(environment, options, settings));
  settings.token_file = value_of(environment, "OPENSHELL_SANDBOX_TOKEN_FILE");
  settings.kubernetes_token_file = value_of(environment, "OPENSHELL_K8S_SA_TOKEN_FILE");
  settings.control_socket = value_of(environment, "KEYWARD_CONTROL_SOCKET");
  settings.sandbox_id = value_of(environment, "OPENSHELL_SANDBOX_ID");
  TRY_ASSIGN(settings.poll_seconds,
             seconds_of(environment, "OPENSHELL_POLICY_POLL_INTERVAL_SECS", 10));
  TRY_ASSIGN(settings.push_level, push_level(environment));
  return settings;
}

Result<Config> load_config(RunOptions options, EnvironmentMap environment,
                           const SecretVariables& secrets) {
  Config config;
  config.options = std::move(options);
  config.environment = std::move(environment);
  if (!value_of(config.environment, "OPENSHELL_ENDPOINT").empty()) {
    TRY_ASSIGN(config.gateway, gateway_settings(config.environment, config.options.identity));
  }
  TRY(check_modes(config));
  if (!config.gateway) {
    TRY_ASSIGN(config.local, local_settings(config.options));
  }
  TRY_ASSIGN(config.proxy, proxy_settings(config.options));
  TRY_ASSIGN(TokenGrantSettings grants,
             grant_settings(config.options, config.environment, config.proxy));
  (config.gateway ? config.gateway->grants : config.local.grants) = std::move(grants);
  config.local.control_socket = value_of(config.environment, "KEYWARD_CONTROL_SOCKET");
  TRY_ASSIGN(config.aws,
             aws_source_settings(config.options, config.environment, secrets, config.proxy));
  TRY(check_providers(config));
  TRY(collect_hidden(config));
  config.audit_file =
      config.options.audit_file.empty() ? default_audit_file : config.options.audit_file;
  return config;
}

}  // namespace keyward::supervisor
