#include "supervisor/grant_settings.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "netproxy/io/look_up.hpp"
#include "supervisor/trust.hpp"

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

// HOST[:PORT]=sha256/BASE64
Result<> add_pin(const std::string& text, identity::TokenClientSettings& endpoints) {
  const auto bad = [&text](const char* why) {
    return fail(Code::invalid, "--grant-pin " + text + ": " + why);
  };
  constexpr std::string_view hash = "sha256/";
  const std::string_view whole = text;
  const auto equals = whole.find('=');
  const std::string_view server = whole.substr(0, equals);
  if (equals == std::string_view::npos || !whole.substr(equals + 1).starts_with(hash))
    return bad("must be HOST[:PORT]=sha256/BASE64");
  const auto url = parse_url("https://" + std::string(server) + "/");
  if (!url || server.find_first_of("/?#@") != std::string_view::npos)
    return bad("what is before `=` is no HOST[:PORT]");
  const auto bytes = unbase64(whole.substr(equals + 1 + hash.size()));
  Digest digest{};
  if (!bytes || bytes->size() != digest.size())
    return bad("what follows `sha256/` is not the base64 of 32 bytes");
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  endpoints.spki_pins[url->authority()].push_back(digest);
  return {};
}

// AUDIENCE=PATH; an audience may have `=`, and a path begins with `/`.
Result<> add_assertion_file(const std::string& text, std::map<std::string, std::string>& files) {
  const auto bad = [&text](const char* why) {
    return fail(Code::invalid, "--grant-assertion-file " + text + ": " + why);
  };
  const auto equals = text.rfind("=/");
  if (equals == std::string::npos || equals == 0)
    return bad("must be AUDIENCE=PATH, with an absolute path");
  if (!files.emplace(text.substr(0, equals), text.substr(equals + 1)).second)
    return bad("this audience has a file already");
  return {};
}

}  // namespace

Result<std::map<std::string, std::string>> assertion_files(const RunOptions& options) {
  std::map<std::string, std::string> files;
  for (const std::string& text : options.assertion_files) TRY(add_assertion_file(text, files));
  return files;
}

Result<TokenGrantSettings> grant_settings(const RunOptions& options,
                                          const EnvironmentMap& environment,
                                          const netproxy::ProxySettings& proxy) {
  TokenGrantSettings settings;
  TRY_ASSIGN(settings.agent, identity::find_workload_endpoint(environment));
  settings.grants.spiffe_id = options.identity.spiffe_id;
  for (const std::string& text : options.grant_ranges)
    TRY(add_range(text, settings.endpoints.rules));
  for (const std::string& text : options.grant_pins) TRY(add_pin(text, settings.endpoints));
  TRY_ASSIGN(settings.assertion_files, assertion_files(options));
  settings.endpoints.rules.own = proxy.own_addresses;
  settings.endpoints.ca_pem = nothing_but(proxy.trust_store_pem);
  settings.endpoints.resolve = [names = proxy](const std::string& host, const auto& stop) {
    return netproxy::look_up(names, host, stop);
  };
  return settings;
}

}  // namespace keyward::supervisor
