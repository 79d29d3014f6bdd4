#include "supervisor/grant_settings.hpp"

#include "netproxy/io/look_up.hpp"

namespace keyward::supervisor {
namespace {

Result<> add_range(const std::string& text, identity::TransportRules& rules) {
  if (text == "loopback") {
    rules.loopback = true;
    return {};
  }
  if (text == "cluster") {
    rules.cluster_cleartext = true;
    return {};
  }
  const auto range = netproxy::parse_range(text);
  if (!range)
    return fail(Code::invalid, "--grant-range " + text +
                                   ": must be `loopback`, `cluster` or a range such as 10.0.0.0/8");
  if (netproxy::covers_closed_block(*range))
    return fail(
        Code::invalid,
        "--grant-range " + text +
            ": reaches into addresses that are never dialled; `loopback` opens this machine");
  rules.allowed.push_back(*range);
  return {};
}

}  // namespace

Result<TokenGrantSettings> grant_settings(const RunOptions& options,
                                          const EnvironmentMap& environment,
                                          const netproxy::ProxySettings& proxy) {
  TokenGrantSettings settings;
  TRY_ASSIGN(settings.agent, identity::find_workload_endpoint(environment));
  settings.grants.spiffe_id = options.identity.spiffe_id;
  for (const std::string& text : options.grant_ranges)
    TRY(add_range(text, settings.endpoints.rules));
  settings.endpoints.rules.own = proxy.own_addresses;
  // Never the library's own file, which would be read while the sandbox runs.
  settings.endpoints.ca_pem =
      proxy.trust_store_pem.empty() ? "# no authorities\n" : proxy.trust_store_pem;
  settings.endpoints.resolve = [names = proxy](const std::string& host, const auto& stop) {
    return netproxy::look_up(names, host, stop);
  };
  return settings;
}

}  // namespace keyward::supervisor
