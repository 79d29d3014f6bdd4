#include "netproxy/policy/policy.hpp"

#include <algorithm>

#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/readings.hpp"

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

bool is_method_of(const RuleModel& rule, std::string_view method) {
  return rule.method == "*" || rule.method == method;
}

bool allows(const EndpointModel& model, std::string_view method, const PathReadings& path) {
  // A connection that is passed on unopened can carry any request.
  if (model.protocol != Protocol::rest) return true;
  return access_allows(model.access, method) ||
         std::any_of(model.rules.begin(), model.rules.end(), [&](const RuleModel& rule) {
           return is_method_of(rule, method) && path.all_match(rule.path);
         });
}

bool denies(const EndpointModel& model, std::string_view method, const PathReadings& path) {
  return std::any_of(model.deny_rules.begin(), model.deny_rules.end(), [&](const RuleModel& rule) {
    return is_method_of(rule, method) && path.any_matches(rule.path);
  });
}

PathRules path_rules(const EndpointModel& endpoint) {
  return is_s3_family(endpoint.signing_service) ? PathRules::s3_verbatim : PathRules::general;
}

// A path as one endpoint reads it.
struct EndpointPath {
  std::string canonical;
  PathReadings readings;
};
Result<EndpointPath> read_for(const EndpointModel& model, std::string_view path) {
  EndpointPath read;
  TRY_ASSIGN(read.canonical, canonical_path(path, path_rules(model), model.allow_encoded_slash));
  TRY_ASSIGN(read.readings, read_path(read.canonical, path_rules(model)));
  return read;
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

}  // namespace

Policy Policy::closed(std::string reason) {
  Policy policy;
  policy.closed_for_ = reason.empty() ? "no policy holds" : std::move(reason);
  return policy;
}

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
  if (is_closed()) return deny(Denial::no_policy, closed_for_);
  const Candidates found = candidates(to, executables);
  if (found.endpoints.empty()) return deny_unnamed(to, found.other_program);
  Verdict verdict;
  verdict.allowed = true;
  verdict.endpoint = found.endpoints.front();
  // Candidates agree where compile could see that they overlap; where not, the stricter one counts.
  verdict.inspect = std::any_of(
      found.endpoints.begin(), found.endpoints.end(),
      [](const Endpoint* endpoint) { return endpoint->model.protocol == Protocol::rest; });
  return verdict;
}

Verdict Policy::decide_request(const Destination& to, std::string_view method,
                               std::string_view path,
                               std::span<const std::string> executables) const {
  if (is_closed()) return deny(Denial::no_policy, closed_for_);
  const Candidates found = candidates(to, executables);
  if (found.endpoints.empty()) return deny_unnamed(to, found.other_program);
  const std::string asked = std::string(method) + " is not allowed on this path of " + shown(to);
  Verdict verdict = deny(Denial::no_rule, asked, found.endpoints.front());
  for (const Endpoint* endpoint : found.endpoints) {
    const EndpointModel& model = endpoint->model;
    const auto read = read_for(model, path);
    if (!read) {
      const Verdict bad_path = deny(Denial::bad_path, read.error().what, endpoint);
      // Nobody knows whether the deny rules mean this path.
      if (!model.deny_rules.empty()) return bad_path;
      if (!verdict.allowed) verdict = bad_path;
      continue;
    }
    const PathReadings& readings = read->readings;
    if (!model.path.empty() && !readings.any_matches(model.path)) continue;
    if (denies(model, method, readings))
      return deny(Denial::deny_rule,
                  std::string(method) + " is denied by a deny_rules entry of " + endpoint->rule,
                  endpoint);
    if (verdict.allowed) continue;  // later endpoints can only deny
    if (!model.path.empty() && !readings.all_match(model.path)) continue;
    const bool allowed = allows(model, method, readings);
    if (!allowed && model.enforcement != Enforcement::audit) continue;
    verdict = {};
    verdict.allowed = true;
    verdict.audited = !allowed;
    verdict.endpoint = endpoint;
    verdict.path = read->canonical;
    if (verdict.audited) verdict.detail = asked;
  }
  return verdict;
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
