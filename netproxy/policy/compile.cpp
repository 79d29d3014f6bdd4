// From the policy as written to the policy that decides (netproxy/policy/policy.hpp, compile).

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/model_check.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/readings.hpp"

namespace keyward::netproxy {
namespace {

// What must agree among endpoints that one connection can mean, because it is settled before the
// first request is read.
bool same_treatment(const EndpointModel& a, const EndpointModel& b) {
  return a.protocol == b.protocol && a.tls == b.tls && a.allowed_ips == b.allowed_ips;
}

bool may_overlap(const EndpointModel& a, const EndpointModel& b) {
  const bool port = std::any_of(a.ports.begin(), a.ports.end(), [&](std::uint16_t p) {
    return std::find(b.ports.begin(), b.ports.end(), p) != b.ports.end();
  });
  return port && (a.host == b.host || host_matches(a.host, b.host) || host_matches(b.host, a.host));
}

Result<> decode_in_place(std::string& pattern) {
  TRY_ASSIGN(pattern, decode_pattern(pattern));
  return {};
}

Result<> decode_patterns(EndpointModel& model) {
  if (!model.path.empty()) TRY(decode_in_place(model.path));
  for (auto* rules : {&model.rules, &model.deny_rules})
    for (RuleModel& rule : *rules) TRY(decode_in_place(rule.path));
  return {};
}

Result<AddressRange> open_range(const std::string& text) {
  TRY_ASSIGN(AddressRange range, parse_range(text));
  if (covers_closed_block(range))
    return fail(Code::invalid, text +
                                   ": loopback, link-local and multicast addresses stay closed; "
                                   "name narrower ranges");
  return range;
}

Result<Endpoint> compile_endpoint(const std::string& rule, const EndpointModel& model) {
  TRY(check_endpoint(model));
  Endpoint endpoint{rule, model, {}};
  TRY(decode_patterns(endpoint.model));
  for (const std::string& text : model.allowed_ips) {
    auto range = open_range(text);
    if (!range) return fail_at("allowed_ips", std::move(range).error());
    endpoint.allowed_ips.push_back(*range);
  }
  return endpoint;
}

void add(std::string& text, std::string_view value) {
  text.append(std::to_string(value.size())).append(":").append(value);
}

void add_all(std::string& text, const std::vector<std::string>& values) {
  add(text, std::to_string(values.size()));
  for (const std::string& value : values) add(text, value);
}

std::string canonical_text(const PolicyModel& model) {
  std::string text;
  add(text, std::to_string(model.version));
  add_all(text, model.filesystem.read_only);
  add_all(text, model.filesystem.read_write);
  add_all(text, {model.filesystem.include_workdir ? "1" : "0",
                 model.landlock_best_effort ? "1" : "0", model.run_as_user, model.run_as_group});
  for (const NetworkPolicyModel& network : model.network_policies) {
    add(text, network.key);
    add_all(text, network.binaries);
    for (const EndpointModel& e : network.endpoints) {
      std::vector<std::string> fields = {e.host, e.path, e.signing_service, e.signing_region,
                                         e.credential_provider};
      for (const int number :
           {static_cast<int>(e.protocol), static_cast<int>(e.tls), static_cast<int>(e.enforcement),
            static_cast<int>(e.access), static_cast<int>(e.credential_signing),
            e.allow_encoded_slash ? 1 : 0})
        fields.push_back(std::to_string(number));
      for (const std::uint16_t port : e.ports) fields.push_back(std::to_string(port));
      add_all(text, fields);
      add_all(text, e.allowed_ips);
      for (const auto* rules : {&e.rules, &e.deny_rules})
        for (const RuleModel& rule : *rules)
          add_all(text, {rules == &e.rules ? "allow" : "deny", rule.method, rule.path});
    }
  }
  return text;
}

}  // namespace

Result<Policy> compile(const PolicyModel& model) {
  Policy policy;
  std::vector<const EndpointModel*> all;
  for (const NetworkPolicyModel& network : model.network_policies) {
    Policy::Rule rule;
    rule.binaries = network.binaries;
    const auto& binaries = network.binaries;
    policy.needs_executables_ =
        policy.needs_executables_ ||
        (!binaries.empty() && std::find(binaries.begin(), binaries.end(), "**") == binaries.end());
    for (const EndpointModel& endpoint : network.endpoints) {
      auto compiled = compile_endpoint(network.key, endpoint);
      if (!compiled) return fail_at("policy: " + network.key, std::move(compiled).error());
      for (const EndpointModel* other : all)
        if (may_overlap(*other, endpoint) && !same_treatment(*other, endpoint))
          return fail(Code::invalid,
                      "policy: " + network.key + ": endpoint " + endpoint.host +
                          " overlaps another one that differs in protocol, tls or allowed_ips");
      rule.endpoints.push_back(std::make_shared<const Endpoint>(std::move(*compiled)));
      all.push_back(&endpoint);
    }
    policy.rules_.push_back(std::move(rule));
  }
  if (const Result<> sound = check_filesystem(model.filesystem); !sound)
    return fail_at("policy: filesystem", sound.error());
  policy.hash_ = hex(sha256(canonical_text(model)));
  return policy;
}

}  // namespace keyward::netproxy
