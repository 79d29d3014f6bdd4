#pragma once
// The environment of the sandboxed program, constructed and never inherited: an allow-list of the
// supervisor's own, the proxy, the trust store, and placeholders where a program expects
// credentials.  Pure.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "netproxy/credentials.hpp"

namespace keyward::supervisor {

constexpr std::string_view trust_directory = "/etc/openshell-tls";
// Where the child finds what it must trust (OpenShell's paths); root-owned, written before the
// program starts.
constexpr std::string_view ca_certificate_path =
    "/etc/openshell-tls/openshell-ca.pem";  // Keyward's CA alone
constexpr std::string_view ca_bundle_path =
    "/etc/openshell-tls/ca-bundle.pem";  // trust store and Keyward's CA
constexpr std::string_view java_trust_store_path =
    "/etc/openshell-tls/truststore.jks";  // the bundle, for JVMs

struct ChildEnvironmentInput {
  const EnvironmentMap& inherited;            // the supervisor's own, already without secrets
  const std::vector<std::string>& requested;  // --env: NAME or NAME=VALUE
  const EnvironmentMap& provided;  // non-secret configuration of the providers (AWS_REGION …)
  const netproxy::Placeholder* placeholder;  // null: no AWS credentials are bound to this sandbox
  std::string user, home;
  std::uint16_t proxy_port = 0;
};

// "NAME=VALUE" strings, sorted by name.  Refuses --env names that are no identifier, that Keyward
// sets itself, or that start with OPENSHELL_ or KEYWARD_ (they may carry identity).
Result<std::vector<std::string>> build_child_environment(const ChildEnvironmentInput& input);

}  // namespace keyward::supervisor
