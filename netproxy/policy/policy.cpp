#include "netproxy/policy/policy.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/policy/glob.hpp"

namespace keyward::netproxy {
namespace {

bool program_allowed(const std::vector<std::string>& patterns,
                     std::span<const std::string> executables) {
  if (patterns.empty()) return true;
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return pattern == "**" ||
           std::any_of(executables.begin(), executables.end(), [&](const std::string& program) {
             return program_matches(pattern, program);
           });
  });
}

bool names(const EndpointModel& endpoint, const Destination& to) {
  return std::find(endpoint.ports.begin(), endpoint.ports.end(), to.port) != endpoint.ports.end() &&
         host_matches(endpoint.host, to.host);
}

bool access_allows(Access access, std::string_view method) {
  if (access == Access::unset) return false;
  if (access == Access::full) return true;
  const bool reads = method == "GET" || method == "HEAD" || method == "OPTIONS";
  return reads || (access == Access::read_write &&
                   (method == "POST" || method == "PUT" || method == "PATCH"));
}

bool rule_matches(const RuleModel& rule, std::string_view method, std::string_view path) {
  return (rule.method == "*" || rule.method == method) && path_matches(rule.path, path);
}

bool any_matches(const std::vector<RuleModel>& rules, std::string_view method,
                 std::string_view path) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](const RuleModel& rule) { return rule_matches(rule, method, path); });
}

PathRules path_rules(const EndpointModel& endpoint) {
  return is_s3_family(endpoint.signing_service) ? PathRules::s3_verbatim : PathRules::general;
}

std::string shown(const Destination& to) { return to.host + ":" + std::to_string(to.port); }

Verdict deny(Denial denial, std::string detail, const Endpoint* endpoint = nullptr) {
  Verdict verdict;
  verdict.denial = denial;
  verdict.detail = std::move(detail);
  verdict.endpoint = endpoint;
  return verdict;
}

Verdict deny_unnamed(const Destination& to, bool other_program) {
  if (other_program)
    return deny(Denial::binary,
                "the policy names " + shown(to) + ", but not for this program (binaries)");
  return deny(Denial::no_endpoint, "no endpoint of the policy names " + shown(to));
}

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

Result<> check_rules(const EndpointModel& model) {
  TRY(check_host_pattern(model.host));
  if (model.host.find('*') == std::string::npos) {
    TRY_ASSIGN(const std::string host, canonical_host(model.host));
    if (host != model.host)
      return fail(Code::invalid, "host " + model.host + ": write it as " + host);
  }
  if (!model.path.empty()) TRY(check_path_pattern(model.path));
  for (const auto* rules : {&model.rules, &model.deny_rules})
    for (const RuleModel& rule : *rules) TRY(check_path_pattern(rule.path));
  return {};
}

Result<Endpoint> compile_endpoint(const std::string& rule, const EndpointModel& model) {
  const auto checked = check_rules(model);
  if (!checked) return fail_at("policy: " + rule, checked.error());
  Endpoint endpoint{rule, model, {}};
  for (const std::string& text : model.allowed_ips) {
    auto range = parse_range(text);
    if (!range) return fail_at("policy: " + rule + ": allowed_ips", std::move(range).error());
    if (range->prefix == 0 || classify(range->base) == AddressClass::never)
      return fail(Code::invalid, "policy: " + rule + ": allowed_ips " + text +
                                     ": loopback, link-local and metadata addresses stay closed, "
                                     "and so does everything at once");
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

Policy::Candidates Policy::candidates(const Destination& to,
                                      std::span<const std::string> executables) const {
  Candidates found;
  for (const Rule& rule : rules_) {
    const bool program = program_allowed(rule.binaries, executables);
    for (const auto& endpoint : rule.endpoints) {
      if (!names(endpoint->model, to)) continue;
      if (program) found.endpoints.push_back(endpoint.get());
      found.other_program = found.other_program || !program;
    }
  }
  std::stable_sort(found.endpoints.begin(), found.endpoints.end(),
                   [](const Endpoint* a, const Endpoint* b) {
                     return a->model.path.size() > b->model.path.size();
                   });
  return found;
}

Verdict Policy::decide_connect(const Destination& to,
                               std::span<const std::string> executables) const {
  const Candidates found = candidates(to, executables);
  if (found.endpoints.empty()) return deny_unnamed(to, found.other_program);
  Verdict verdict;
  verdict.allowed = true;
  verdict.endpoint = found.endpoints.front();
  verdict.inspect = verdict.endpoint->model.protocol ==
                    Protocol::rest;  // all candidates agree: compile saw to it
  return verdict;
}

Verdict Policy::decide_request(const Destination& to, std::string_view method,
                               std::string_view path,
                               std::span<const std::string> executables) const {
  const Candidates found = candidates(to, executables);
  if (found.endpoints.empty()) return deny_unnamed(to, found.other_program);
  const std::string asked = std::string(method) + " is not allowed on this path of " + shown(to);
  Verdict verdict = deny(Denial::no_rule, asked, found.endpoints.front());
  for (const Endpoint* endpoint : found.endpoints) {
    const EndpointModel& model = endpoint->model;
    const auto canonical = canonical_path(path, path_rules(model), model.allow_encoded_slash);
    if (!canonical) return deny(Denial::bad_path, canonical.error().what, endpoint);
    if (!model.path.empty() && !path_matches(model.path, *canonical)) continue;
    if (any_matches(model.deny_rules, method, *canonical))
      return deny(Denial::deny_rule,
                  std::string(method) + " is denied by a deny_rules entry of " + endpoint->rule,
                  endpoint);
    if (verdict.allowed) continue;  // later endpoints can only deny
    const bool allows =
        access_allows(model.access, method) || any_matches(model.rules, method, *canonical);
    const bool audited = !allows && model.enforcement == Enforcement::audit;
    if (!allows && !audited) continue;
    verdict = {};
    verdict.allowed = true;
    verdict.audited = audited;
    verdict.endpoint = endpoint;
    verdict.path = *canonical;
    if (audited) verdict.detail = asked;
  }
  return verdict;
}

Result<Policy> compile(const PolicyModel& model) {
  Policy policy;
  std::vector<const EndpointModel*> all;
  for (const NetworkPolicyModel& network : model.network_policies) {
    Policy::Rule rule;
    rule.binaries = network.binaries;
    policy.needs_executables_ = policy.needs_executables_ || !program_allowed(network.binaries, {});
    for (const EndpointModel& endpoint : network.endpoints) {
      TRY_ASSIGN(Endpoint compiled, compile_endpoint(network.key, endpoint));
      for (const EndpointModel* other : all)
        if (may_overlap(*other, endpoint) && !same_treatment(*other, endpoint))
          return fail(Code::invalid,
                      "policy: " + network.key + ": endpoint " + endpoint.host +
                          " overlaps another one that differs in protocol, tls or allowed_ips");
      rule.endpoints.push_back(std::make_shared<const Endpoint>(std::move(compiled)));
      all.push_back(&endpoint);
    }
    policy.rules_.push_back(std::move(rule));
  }
  policy.hash_ = hex(sha256(canonical_text(model)));
  return policy;
}

std::string_view to_string(Denial denial) {
  switch (denial) {
    case Denial::none:
      return "none";
    case Denial::no_endpoint:
      return "no_endpoint";
    case Denial::binary:
      return "binary";
    case Denial::no_rule:
      return "no_rule";
    case Denial::deny_rule:
      return "deny_rule";
    case Denial::bad_path:
      return "bad_path";
    case Denial::no_policy:
      return "no_policy";
  }
  return "none";
}

}  // namespace keyward::netproxy
