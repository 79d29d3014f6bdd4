#include "netproxy/policy/yaml.hpp"

#include <yaml-cpp/yaml.h>

#include "base/bytes.hpp"
#include "netproxy/policy/model_check.hpp"
#include "netproxy/policy/yaml_reader.hpp"

namespace keyward::netproxy {
namespace {

Result<std::uint16_t> port_of(const YamlNode& node) {
  TRY_ASSIGN(const std::int64_t number, node.number(1, 65535));
  return static_cast<std::uint16_t>(number);
}

Result<> read_method_and_path(const YamlNode& node, RuleModel& rule) {
  TRY(node.for_each_key(
      {{"method", text_into(rule.method)}, {"path", text_into(rule.path)}},
      {"command", "query", "operation_type", "operation_name", "fields", "tool", "params"}));
  if (rule.method.empty() || rule.path.empty()) return node.error("a rule needs method and path");
  for (char& c : rule.method) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return {};
}

// An entry of `rules`: the method and path stand below `allow`.
Result<> read_allow(const YamlNode& node, RuleModel& rule) {
  const auto read = [&](const YamlNode& allow) { return read_method_and_path(allow, rule); };
  TRY(node.for_each_key({{"allow", read}}, {}));
  if (rule.method.empty()) return node.error("a rule needs allow: {method, path}");
  return {};
}

Result<std::vector<RuleModel>> rules_of(const YamlNode& node, bool wrapped) {
  std::vector<RuleModel> rules;
  TRY(node.for_each_item([&](const YamlNode& item) -> Result<> {
    RuleModel rule;
    TRY(wrapped ? read_allow(item, rule) : read_method_and_path(item, rule));
    rules.push_back(std::move(rule));
    return {};
  }));
  if (rules.empty()) return node.error("must not be empty");
  return rules;
}

Result<> read_signing(const YamlNode& node, EndpointModel& endpoint) {
  TRY_ASSIGN(const std::string text, node.text());
  for (const CredentialSigningName& known : credential_signings)
    if (text == known.text) {
      endpoint.credential_signing = known.value;
      return {};
    }
  return node.error("credential_signing must be sigv4, sigv4:body, sigv4:no_body or sigv4a");
}

// A switch that this version can only serve in its off position.
Result<> must_be_false(const YamlNode& node) {
  TRY_ASSIGN(const bool on, node.flag());
  if (on) return node.error(node.name() + ": true is known, but not served by this version");
  return {};
}

YamlNode::Handlers connection_keys(EndpointModel& endpoint) {
  return {
      {"host", text_into(endpoint.host)},
      {"port",
       [&](const YamlNode& node) -> Result<> {
         TRY_ASSIGN(const auto port, port_of(node));
         if (endpoint.ports.empty())
           endpoint.ports.push_back(port);  // `ports` wins where both stand
         return {};
       }},
      {"ports",
       [&](const YamlNode& node) -> Result<> {
         endpoint.ports.clear();
         return node.for_each_item([&](const YamlNode& item) -> Result<> {
           TRY_ASSIGN(const auto port, port_of(item));
           endpoint.ports.push_back(port);
           return {};
         });
       }},
      {"protocol",
       [&](const YamlNode& node) {
         return node.choose<Protocol>(
             {{"", Protocol::unset}, {"tcp", Protocol::tcp}, {"rest", Protocol::rest}},
             {"websocket", "graphql", "sql", "json-rpc", "mcp"}, endpoint.protocol);
       }},
      {"tls",
       [&](const YamlNode& node) {
         return node.choose<TlsMode>({{"", TlsMode::automatic},
                                      {"terminate", TlsMode::automatic},
                                      {"passthrough", TlsMode::automatic},
                                      {"none", TlsMode::automatic},
                                      {"skip", TlsMode::skip}},
                                     {}, endpoint.tls);
       }},
      {"allowed_ips", texts_into(endpoint.allowed_ips)},
  };
}

YamlNode::Handlers request_keys(EndpointModel& endpoint) {
  return {
      {"enforcement",
       [&](const YamlNode& node) {
         return node.choose<Enforcement>(
             {{"enforce", Enforcement::enforce}, {"audit", Enforcement::audit}}, {},
             endpoint.enforcement);
       }},
      {"access",
       [&](const YamlNode& node) {
         return node.choose<Access>({{"read-only", Access::read_only},
                                     {"read-write", Access::read_write},
                                     {"full", Access::full}},
                                    {}, endpoint.access);
       }},
      {"rules",
       [&](const YamlNode& node) -> Result<> {
         TRY_ASSIGN(endpoint.rules, rules_of(node, true));
         return {};
       }},
      {"deny_rules",
       [&](const YamlNode& node) -> Result<> {
         TRY_ASSIGN(endpoint.deny_rules, rules_of(node, false));
         return {};
       }},
      {"allow_encoded_slash", flag_into(endpoint.allow_encoded_slash)},
      {"path", text_into(endpoint.path)},
      {"websocket_credential_rewrite", must_be_false},
      {"request_body_credential_rewrite", must_be_false},
      {"allow_uninspected_credentials", must_be_false},
      {"credential_signing", [&](const YamlNode& node) { return read_signing(node, endpoint); }},
      {"signing_service", text_into(endpoint.signing_service)},
      {"signing_region", text_into(endpoint.signing_region)},
      {"credential_binding",
       [&](const YamlNode& node) {
         return node.for_each_key({{"provider", text_into(endpoint.credential_provider)}}, {});
       }},
  };
}

Result<EndpointModel> endpoint_of(const YamlNode& node) {
  EndpointModel endpoint;
  YamlNode::Handlers handlers = connection_keys(endpoint);
  handlers.merge(request_keys(endpoint));
  TRY(node.for_each_key(handlers, {"persisted_queries", "graphql_persisted_queries",
                                   "graphql_max_body_bytes", "json_rpc", "mcp"}));
  endpoint.host = lower(endpoint.host);
  if (const auto sound = check_endpoint(endpoint); !sound) return node.error(sound.error().what);
  return endpoint;
}

Result<NetworkPolicyModel> network_policy_of(const std::string& key, const YamlNode& node) {
  NetworkPolicyModel policy;
  policy.key = key;
  const auto add_endpoint = [&](const YamlNode& item) -> Result<> {
    TRY_ASSIGN(EndpointModel endpoint, endpoint_of(item));
    policy.endpoints.push_back(std::move(endpoint));
    return {};
  };
  const auto add_binary = [&](const YamlNode& item) -> Result<> {
    std::string path;
    TRY(item.for_each_key(
        {{"path", text_into(path)}, {"harness", [](const YamlNode&) -> Result<> { return {}; }}},
        {}));
    if (!path.starts_with('/') && !path.starts_with("**"))
      return item.error("a binary's path must be absolute");
    policy.binaries.push_back(std::move(path));
    return {};
  };
  TRY(node.for_each_key(
      {{"name", text_into(policy.name)},
       {"endpoints", [&](const YamlNode& list) { return list.for_each_item(add_endpoint); }},
       {"binaries", [&](const YamlNode& list) { return list.for_each_item(add_binary); }}},
      {}));
  if (policy.endpoints.empty()) return node.error("a network policy needs endpoints");
  return policy;
}

Result<> read_paths(const YamlNode& node, std::vector<std::string>& paths) {
  TRY_ASSIGN(paths, node.texts());
  for (const std::string& path : paths)
    if (const Result<> sound = check_filesystem_path(path); !sound)
      return node.error(sound.error().what);
  return {};
}

Result<> read_filesystem(const YamlNode& node, FilesystemModel& filesystem) {
  return node.for_each_key(
      {{"include_workdir", flag_into(filesystem.include_workdir)},
       {"read_only",
        [&](const YamlNode& value) { return read_paths(value, filesystem.read_only); }},
       {"read_write",
        [&](const YamlNode& value) { return read_paths(value, filesystem.read_write); }}},
      {});
}

Result<PolicyModel> policy_of(const YamlNode& root) {
  PolicyModel policy;
  bool versioned = false;
  const auto read_networks = [&](const YamlNode& node) {
    return node.for_each_entry([&](const std::string& key, const YamlNode& value) -> Result<> {
      TRY_ASSIGN(NetworkPolicyModel network, network_policy_of(key, value));
      policy.network_policies.push_back(std::move(network));
      return {};
    });
  };
  TRY(root.for_each_key(
      {{"version",
        [&](const YamlNode& node) -> Result<> {
          TRY_ASSIGN(const std::int64_t version, node.number(1, 1));
          policy.version = static_cast<std::uint32_t>(version);
          versioned = true;
          return {};
        }},
       {"filesystem_policy",
        [&](const YamlNode& node) { return read_filesystem(node, policy.filesystem); }},
       {"landlock",
        [&](const YamlNode& node) {
          return node.for_each_key({{"compatibility",
                                     [&](const YamlNode& value) {
                                       return value.choose<bool>(
                                           {{"best_effort", true}, {"hard_requirement", false}}, {},
                                           policy.landlock_best_effort);
                                     }}},
                                   {});
        }},
       {"process",
        [&](const YamlNode& node) {
          return node.for_each_key({{"run_as_user", text_into(policy.run_as_user)},
                                    {"run_as_group", text_into(policy.run_as_group)}},
                                   {});
        }},
       {"network_policies", read_networks}},
      {"network_middlewares"}));
  if (!versioned) return root.error("version: 1 is missing");
  return policy;
}

}  // namespace

Result<PolicyModel> parse_policy(std::string_view yaml, std::string_view file) {
  TRY_ASSIGN(const YamlDocument document, load_yaml(yaml, file));
  return policy_of(document.root());
}

}  // namespace keyward::netproxy
