#include "netproxy/policy/model_check.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/policy.hpp"

namespace keyward::netproxy {
namespace {

bool is_request_level(const EndpointModel& endpoint) {
  return endpoint.access != Access::unset || !endpoint.rules.empty();
}

bool signs(const EndpointModel& endpoint) {
  return endpoint.credential_signing != CredentialSigning::none;
}

// A key that has no effect would be read as one that has.
Result<> check_unopened(const EndpointModel& endpoint) {
  struct Key {
    const char* name;
    bool present;
  };
  const Key keys[] = {{"access", endpoint.access != Access::unset},
                      {"rules", !endpoint.rules.empty()},
                      {"deny_rules", !endpoint.deny_rules.empty()},
                      {"path", !endpoint.path.empty()},
                      {"allow_encoded_slash", endpoint.allow_encoded_slash},
                      {"credential_signing", signs(endpoint)}};
  for (const Key& key : keys)
    if (key.present)
      return fail(Code::invalid, std::string(key.name) +
                                     " needs protocol: rest; without it the connection is passed "
                                     "on unopened");
  return {};
}

Result<> check_rest(const EndpointModel& endpoint) {
  if (!is_request_level(endpoint))
    return fail(Code::invalid, "protocol: rest needs access or rules");
  if (endpoint.access != Access::unset && !endpoint.rules.empty())
    return fail(Code::invalid, "access and rules exclude each other");
  if (endpoint.tls == TlsMode::skip)
    return fail(Code::invalid, "tls: skip leaves nothing to inspect; remove it or protocol: rest");
  return {};
}

Result<> check_signing(const EndpointModel& endpoint) {
  if (signs(endpoint) && endpoint.signing_service.empty())
    return fail(Code::invalid, "credential_signing needs signing_service");
  if (signs(endpoint)) return {};
  if (!endpoint.signing_service.empty() || !endpoint.signing_region.empty())
    return fail(Code::invalid, "signing_service and signing_region need credential_signing");
  if (!endpoint.credential_provider.empty())
    return fail(Code::invalid, "credential_binding needs credential_signing in this version");
  return {};
}

bool is_method(std::string_view method) {
  if (method == "*") return true;
  return !method.empty() && std::all_of(method.begin(), method.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

Result<> check_rules(const EndpointModel& endpoint) {
  for (const auto* rules : {&endpoint.rules, &endpoint.deny_rules})
    for (const RuleModel& rule : *rules) {
      if (!is_method(rule.method))
        return fail(Code::invalid, "method " + rule.method.substr(0, 32) +
                                       ": must be an HTTP method in upper case, or *");
      TRY(check_path_pattern(rule.path));
    }
  if (!endpoint.path.empty()) TRY(check_path_pattern(endpoint.path));
  return {};
}

Result<> check_host(const std::string& host) {
  TRY(check_host_pattern(host));
  // What a star stands for does not matter for the rest of the name.
  std::string sample = host;
  std::replace(sample.begin(), sample.end(), '*', 'x');
  const auto canonical = canonical_host(sample);
  if (!canonical) return fail_at("host " + host.substr(0, 256), canonical.error());
  if (*canonical == sample) return {};
  return fail(Code::invalid, "host " + host + ": write it as " + *canonical);
}

}  // namespace

Result<> check_endpoint(const EndpointModel& endpoint) {
  if (endpoint.host.empty()) return fail(Code::invalid, "an endpoint needs host");
  if (endpoint.ports.empty()) return fail(Code::invalid, "an endpoint needs port or ports");
  if (std::find(endpoint.ports.begin(), endpoint.ports.end(), 0) != endpoint.ports.end())
    return fail(Code::invalid, "port 0 is no port");
  TRY(check_host(endpoint.host));
  TRY(endpoint.protocol == Protocol::rest ? check_rest(endpoint) : check_unopened(endpoint));
  TRY(check_signing(endpoint));
  return check_rules(endpoint);
}

Result<> check_filesystem_path(const std::string& path) {
  constexpr std::size_t path_limit = 4096;
  const bool goes_up = (path + "/").find("/../") != std::string::npos;
  const bool clean = std::none_of(path.begin(), path.end(), is_control);
  if (path.starts_with('/') && !goes_up && clean && path.size() <= path_limit) return {};
  return fail(Code::invalid, (clean ? path.substr(0, 256) : std::string("a path")) +
                                 ": must be an absolute path without ..");
}

Result<> check_filesystem(const FilesystemModel& filesystem) {
  for (const auto* paths : {&filesystem.read_only, &filesystem.read_write})
    for (const std::string& path : *paths) TRY(check_filesystem_path(path));
  return {};
}

}  // namespace keyward::netproxy
