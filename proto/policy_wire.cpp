#include "proto/policy_wire.hpp"

#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <vector>

namespace keyward::wire {
namespace {

using namespace netproxy;
namespace v1 = openshell::sandbox::v1;

template <class Value>
struct Word {
  Value value;
  const char* text;
};

constexpr std::array<Word<Protocol>, 3> protocols = {
    {{Protocol::unset, ""}, {Protocol::tcp, "tcp"}, {Protocol::rest, "rest"}}};
// `terminate` and its like mean the same as none: what happens follows from the protocol.
constexpr std::array<Word<TlsMode>, 5> tls_modes = {{{TlsMode::automatic, ""},
                                                     {TlsMode::skip, "skip"},
                                                     {TlsMode::automatic, "terminate"},
                                                     {TlsMode::automatic, "passthrough"},
                                                     {TlsMode::automatic, "none"}}};
constexpr std::array<Word<bool>, 3> best_efforts = {
    {{false, ""}, {false, "hard_requirement"}, {true, "best_effort"}}};
constexpr std::array<Word<Access>, 4> accesses = {{{Access::unset, ""},
                                                   {Access::read_only, "read-only"},
                                                   {Access::read_write, "read-write"},
                                                   {Access::full, "full"}}};

template <class Value, std::size_t size>
std::string text_of(const std::array<Word<Value>, size>& words, Value value) {
  return std::find_if(words.begin(), words.end(),
                      [&](const auto& word) { return word.value == value; })
      ->text;
}

template <class Value, std::size_t size>
Result<Value> value_of(const std::array<Word<Value>, size>& words, const std::string& text,
                       const char* field) {
  const auto found =
      std::find_if(words.begin(), words.end(), [&](const auto& word) { return text == word.text; });
  if (found == words.end())
    return fail(Code::unsupported,
                std::string(field) + ": " + text.substr(0, 64) + " is not served by this version");
  return found->value;
}

v1::NetworkEndpoint to_wire(const EndpointModel& model) {
  v1::NetworkEndpoint endpoint;
  endpoint.set_host(model.host);
  for (const std::uint16_t port : model.ports) endpoint.add_ports(port);
  if (model.ports.size() == 1) endpoint.set_port(model.ports.front());
  endpoint.set_protocol(text_of(protocols, model.protocol));
  if (model.tls == TlsMode::skip) endpoint.set_tls("skip");
  endpoint.set_enforcement(model.enforcement == Enforcement::audit ? "audit" : "enforce");
  endpoint.set_access(text_of(accesses, model.access));
  for (const RuleModel& rule : model.rules) {
    auto* allow = endpoint.add_rules()->mutable_allow();
    allow->set_method(rule.method);
    allow->set_path(rule.path);
  }
  for (const RuleModel& rule : model.deny_rules) {
    auto* deny = endpoint.add_deny_rules();
    deny->set_method(rule.method);
    deny->set_path(rule.path);
  }
  for (const std::string& range : model.allowed_ips) endpoint.add_allowed_ips(range);
  endpoint.set_allow_encoded_slash(model.allow_encoded_slash);
  endpoint.set_path(model.path);
  for (const netproxy::CredentialSigningName& known : netproxy::credential_signings)
    if (model.credential_signing == known.value) endpoint.set_credential_signing(known.text);
  endpoint.set_signing_service(model.signing_service);
  endpoint.set_signing_region(model.signing_region);
  if (!model.credential_provider.empty())
    endpoint.mutable_credential_binding()->set_provider(model.credential_provider);
  return endpoint;
}

Result<> refuse_unserved(const v1::NetworkEndpoint& endpoint) {
  struct {
    bool set;
    const char* name;
  } const unserved[] = {
      {!endpoint.persisted_queries().empty(), "persisted_queries"},
      {endpoint.graphql_persisted_queries_size() > 0, "graphql_persisted_queries"},
      {endpoint.graphql_max_body_bytes() > 0, "graphql_max_body_bytes"},
      {endpoint.websocket_credential_rewrite(), "websocket_credential_rewrite"},
      {endpoint.request_body_credential_rewrite(), "request_body_credential_rewrite"},
      {endpoint.json_rpc_max_body_bytes() > 0, "json_rpc"},
      {endpoint.has_mcp(), "mcp"},
      {endpoint.allow_uninspected_credentials(), "allow_uninspected_credentials"}};
  for (const auto& field : unserved)
    if (field.set)
      return fail(Code::unsupported, std::string(field.name) + " is not served by this version");
  return {};
}

template <class Rule>
Result<RuleModel> rule_of(const Rule& rule) {
  if (!rule.command().empty() || rule.query_size() > 0 || !rule.operation_type().empty() ||
      !rule.operation_name().empty() || rule.fields_size() > 0 || rule.params_size() > 0)
    return fail(Code::unsupported,
                "rules by command, query, operation or parameters are not served by this version");
  if (rule.method().empty() || rule.path().empty())
    return fail(Code::invalid, "a rule needs method and path");
  return RuleModel{rule.method(), rule.path()};
}

Result<std::vector<std::uint16_t>> ports_of(const v1::NetworkEndpoint& endpoint) {
  std::vector<std::uint32_t> numbers(endpoint.ports().begin(), endpoint.ports().end());
  if (numbers.empty()) numbers.push_back(endpoint.port());
  std::vector<std::uint16_t> ports;
  for (const std::uint32_t number : numbers) {
    if (number == 0 || number > 65535) return fail(Code::invalid, "port must be 1 to 65535");
    ports.push_back(static_cast<std::uint16_t>(number));
  }
  return ports;
}

Result<> read_rules(const v1::NetworkEndpoint& endpoint, EndpointModel& model) {
  for (const auto& rule : endpoint.rules()) {
    TRY_ASSIGN(RuleModel allow, rule_of(rule.allow()));
    model.rules.push_back(std::move(allow));
  }
  for (const auto& rule : endpoint.deny_rules()) {
    TRY_ASSIGN(RuleModel deny, rule_of(rule));
    model.deny_rules.push_back(std::move(deny));
  }
  return {};
}

Result<EndpointModel> from_wire(const v1::NetworkEndpoint& endpoint) {
  TRY(refuse_unserved(endpoint));
  EndpointModel model;
  model.host = endpoint.host();
  TRY_ASSIGN(model.ports, ports_of(endpoint));
  TRY_ASSIGN(model.protocol, value_of(protocols, endpoint.protocol(), "protocol"));
  TRY_ASSIGN(model.access, value_of(accesses, endpoint.access(), "access"));
  TRY_ASSIGN(model.tls, value_of(tls_modes, endpoint.tls(), "tls"));
  if (endpoint.enforcement() == "audit")
    model.enforcement = Enforcement::audit;
  else if (!endpoint.enforcement().empty() && endpoint.enforcement() != "enforce")
    return fail(Code::invalid, "enforcement must be enforce or audit");
  TRY(read_rules(endpoint, model));
  model.allowed_ips.assign(endpoint.allowed_ips().begin(), endpoint.allowed_ips().end());
  model.allow_encoded_slash = endpoint.allow_encoded_slash();
  model.path = endpoint.path();
  for (const netproxy::CredentialSigningName& known : netproxy::credential_signings)
    if (endpoint.credential_signing() == known.text) model.credential_signing = known.value;
  if (model.credential_signing == CredentialSigning::none && !endpoint.credential_signing().empty())
    return fail(Code::unsupported,
                "credential_signing: " + endpoint.credential_signing().substr(0, 64) +
                    " is not served by this version");
  model.signing_service = endpoint.signing_service();
  model.signing_region = endpoint.signing_region();
  model.credential_provider = endpoint.credential_binding().provider();
  return model;
}

// At any depth; it ends, because the policy's messages do not contain themselves.
bool has_unknown_fields(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int n = 0; n < count; ++n)
      if (has_unknown_fields(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, n)
                                                  : reflection.GetMessage(message, field)))
        return true;
  }
  return false;
}

}  // namespace

v1::SandboxPolicy to_wire(const PolicyModel& model) {
  v1::SandboxPolicy policy;
  policy.set_version(model.version);
  policy.mutable_filesystem()->set_include_workdir(model.filesystem.include_workdir);
  for (const std::string& path : model.filesystem.read_only)
    policy.mutable_filesystem()->add_read_only(path);
  for (const std::string& path : model.filesystem.read_write)
    policy.mutable_filesystem()->add_read_write(path);
  policy.mutable_landlock()->set_compatibility(model.landlock_best_effort ? "best_effort"
                                                                          : "hard_requirement");
  policy.mutable_process()->set_run_as_user(model.run_as_user);
  policy.mutable_process()->set_run_as_group(model.run_as_group);
  for (const NetworkPolicyModel& network : model.network_policies) {
    v1::NetworkPolicyRule& rule = (*policy.mutable_network_policies())[network.key];
    rule.set_name(network.name);
    for (const EndpointModel& endpoint : network.endpoints)
      *rule.add_endpoints() = to_wire(endpoint);
    for (const std::string& path : network.binaries) rule.add_binaries()->set_path(path);
  }
  return policy;
}

Result<PolicyModel> from_wire(const v1::SandboxPolicy& policy) {
  PolicyModel model;
  if (policy.version() != 1)
    return fail(Code::unsupported,
                "policy: version " + std::to_string(policy.version()) + " is not served");
  if (has_unknown_fields(policy))
    return fail(Code::unsupported, "policy: has a field that this version does not know");
  if (policy.network_middlewares_size() > 0)
    return fail(Code::unsupported, "policy: network_middlewares is not served by this version");
  model.filesystem.include_workdir = policy.filesystem().include_workdir();
  model.filesystem.read_only.assign(policy.filesystem().read_only().begin(),
                                    policy.filesystem().read_only().end());
  model.filesystem.read_write.assign(policy.filesystem().read_write().begin(),
                                     policy.filesystem().read_write().end());
  TRY_ASSIGN(model.landlock_best_effort, value_of(best_efforts, policy.landlock().compatibility(),
                                                  "policy: landlock.compatibility"));
  model.run_as_user = policy.process().run_as_user();
  model.run_as_group = policy.process().run_as_group();
  for (const auto& [key, rule] : policy.network_policies()) {
    NetworkPolicyModel network;
    network.key = key;
    network.name = rule.name();
    for (const auto& endpoint : rule.endpoints()) {
      auto read = from_wire(endpoint);
      if (!read) return fail_at("policy: " + key, std::move(read).error());
      network.endpoints.push_back(std::move(*read));
    }
    for (const auto& binary : rule.binaries()) network.binaries.push_back(binary.path());
    model.network_policies.push_back(std::move(network));
  }
  // A map has no order on the wire; decisions do not depend on it, but texts and hashes should be
  // stable.
  std::sort(model.network_policies.begin(), model.network_policies.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return model;
}

}  // namespace keyward::wire
