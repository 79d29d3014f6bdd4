// usage: identity_probe < LINES
//
// The first line of JSON configures, each later one asks and is answered by one line:
//   {"socket", "id", "ca", "loopback", "cluster", "allowed": [RANGE], "pins": {AUTHORITY: [HEX]},
//   "hosts": {NAME: [ADDRESS]},
//    "deadline_ms", "connect_ms", "agent_ms", "patience_ms", "first_pause_s"}
//   {"do":"svid", "audience", "patience_ms"}       {"do":"bundles", "patience_ms"}
//   {"do":"x509", "patience_ms"}                   {"do":"x509-bundles", "patience_ms"}
//   {"do":"token", "grant": {...}, "style", "header"}      {"do":"held", ...} {"do":"withdraw"}
// What goes well is {"ok":true,...}; what does not is {"ok":false,"code","verdict","error"}; both
// say how long it took.

#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "identity/oauth/assertion_files.hpp"
#include "identity/oauth/svid_grants.hpp"
#include "identity/spiffe/agent.hpp"

using namespace keyward;
using namespace keyward::identity;
using nlohmann::json;

namespace {

std::chrono::milliseconds milliseconds_of(const json& from, const char* name, int otherwise) {
  return std::chrono::milliseconds(from.value(name, otherwise));
}

json failure(const Error& error) {
  const char* verdicts[] = {"retry", "not_registered", "misconfigured"};
  return {{"ok", false},
          {"code", to_string(error.code)},
          {"verdict", verdicts[static_cast<int>(agent_verdict(error.code))]},
          {"error", error.what}};
}

Result<TokenClientSettings> client_settings(const json& config) {
  TokenClientSettings settings;
  settings.rules.loopback = config.value("loopback", false);
  settings.rules.cluster_cleartext = config.value("cluster", false);
  for (const std::string range : config.value("allowed", json::array())) {
    TRY_ASSIGN(const auto parsed, netproxy::parse_range(range));
    settings.rules.allowed.push_back(parsed);
  }
  settings.deadline = milliseconds_of(config, "deadline_ms", 10'000);
  settings.connect_deadline = milliseconds_of(config, "connect_ms", 3'000);
  if (config.contains("ca")) {
    TRY_ASSIGN(settings.ca_pem, read_file(config["ca"]));
  }
  const json all_pins = config.value("pins", json::object());
  for (const auto& [authority, pins] : all_pins.items()) {
    for (const std::string pin : pins) {
      TRY_ASSIGN(const std::string bytes, unhex(pin));
      Digest digest{};
      std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
      settings.spki_pins[authority].push_back(digest);
    }
  }
  if (config.contains("hosts"))
    settings.resolve = [hosts = config["hosts"]](const std::string& name,
                                                 const auto&) -> Result<Addresses> {
      if (!hosts.contains(name)) return fail(Code::not_found, name + ": no such host");
      Addresses addresses;
      for (const std::string each : hosts[name]) {
        TRY_ASSIGN(const auto address, netproxy::parse_address(each));
        addresses.push_back(address);
      }
      return addresses;
    };
  return settings;
}

GrantKind kind_of(const std::string& name) {
  for (const GrantKind kind :
       {GrantKind::jwt_bearer, GrantKind::token_exchange, GrantKind::raw_svid})
    if (to_string(kind) == name) return kind;
  return GrantKind::client_credentials;
}

SvidRole role_of(const std::string& name) {
  if (name == "actor") return SvidRole::actor;
  return name == "client" ? SvidRole::client : SvidRole::subject;
}

Result<GrantBinding> binding_of(const json& order) {
  const json& from = order["grant"];
  GrantBinding binding;
  binding.identity = "provider:credential";
  binding.where = {"api.example.com", 443, ""};
  Grant& grant = binding.grant;
  grant.kind = kind_of(from.value("kind", ""));
  grant.token_endpoint = from.value("token_endpoint", "");
  grant.issuer = from.value("issuer", "");
  TRY_ASSIGN(grant.assertion_type, read_assertion_type(from.value("assertion_type", "")));
  TRY_ASSIGN(grant.assertion, read_assertion_source(from.value("assertion", "")));
  TRY_ASSIGN(grant.client_auth, read_client_auth(from.value("client_auth", "")));
  if (uses_jwt(grant)) {
    grant.svid_audience = from.value("svid_audience", grant.issuer);
    if (grant.svid_audience.empty()) {
      TRY_ASSIGN(grant.svid_audience, derive_svid_audience(grant.token_endpoint));
    }
  }
  grant.client_id = from.value("client_id", "");
  grant.svid_role = role_of(from.value("svid_role", ""));
  grant.audience = from.value("audience", std::vector<std::string>());
  grant.resource = from.value("resource", std::vector<std::string>());
  grant.scopes = from.value("scopes", std::vector<std::string>());
  grant.lifetime = std::chrono::seconds(from.value("lifetime", 0));
  TRY_ASSIGN(binding.inject, read_injection(order.value("style", ""), order.value("header", "")));
  TRY_ASSIGN(const BindingTable table, BindingTable::build({binding}));
  return table.bindings().front();
}

// The user's token of an exchange, as it was given.
struct GivenSubject final : SubjectTokens {
  Result<SubjectToken> subject_for(const Grant&) override {
    return SubjectToken{token.clone(), {}};
  }
  Secret token;
};

struct Probe {
  SystemClock wall;
  BootClock clock;
  std::string id;
  GivenSubject subject;
  std::optional<AssertionFiles> assertions;
  std::optional<SpiffeAgent> agent;
  std::unique_ptr<TokenClient> endpoint;
  std::optional<SvidGrants> grants;

  Result<> configure(const json& config) {
    TRY_ASSIGN(const WorkloadEndpoint socket,
               parse_workload_endpoint("socket", config.value("socket", "")));
    TRY_ASSIGN(TokenClientSettings settings, client_settings(config));
    endpoint = std::make_unique<TokenClient>(std::move(settings), wall, clock);
    GrantSettings grant_settings;
    id = grant_settings.spiffe_id = config.value("id", "");
    grant_settings.agent_patience = milliseconds_of(config, "agent_ms", 5'000);
    grant_settings.patience = milliseconds_of(config, "patience_ms", 20'000);
    grant_settings.cache.first_pause = std::chrono::seconds(config.value("first_pause_s", 1));
    agent.emplace(socket, id, wall);
    assertions.emplace(config.value("assertion_files", std::map<std::string, std::string>()), wall);
    grants.emplace(GrantDeps{agent->tokens, *endpoint, wall, clock, &subject, nullptr,
                             &agent->certificates, nullptr, &*assertions},
                   std::move(grant_settings));
    return {};
  }

  json svid(const json& order) {
    const auto svid =
        agent->tokens.fetch_jwt_svid({order.value("audience", ""), order.value("id", id)},
                                     milliseconds_of(order, "patience_ms", 5'000));
    if (!svid) return failure(svid.error());
    return {{"ok", true},
            {"id", svid->claims.spiffe_id},
            {"algorithm", svid->claims.algorithm},
            {"hint", svid->hint},
            {"token", svid->token.reveal()}};
  }

  json bundles(const json& order) {
    const auto bundles =
        agent->tokens.fetch_jwt_bundles(milliseconds_of(order, "patience_ms", 5'000));
    if (!bundles) return failure(bundles.error());
    json domains = json::object();
    for (const auto& [domain, keys] : *bundles)
      for (const Jwk& key : keys) domains[domain].push_back(key.kid);
    return {{"ok", true}, {"domains", domains}};
  }

  json x509(const json& order) {
    const auto svid = agent->certificates.x509_svid(milliseconds_of(order, "patience_ms", 0));
    if (!svid) return failure(svid.error());
    return {{"ok", true},
            {"id", (*svid)->spiffe_id},
            {"certificates", (*svid)->certificates_pem},
            {"bundle", (*svid)->bundle_pem}};
  }

  json x509_bundles(const json& order) {
    const auto bundles =
        agent->authorities.x509_bundles(milliseconds_of(order, "patience_ms", 5'000));
    if (!bundles) return failure(bundles.error());
    return {{"ok", true}, {"bundles", **bundles}};
  }

  json token(const json& order) {
    const auto binding = binding_of(order);
    if (!binding) return failure(binding.error());
    const auto header = grants->token_for(*binding);
    if (!header) return failure(header.error());
    return {{"ok", true}, {"name", header->name}, {"value", header->value.reveal()}};
  }

  json held(const json& order) {
    const auto binding = binding_of(order);
    if (!binding) return failure(binding.error());
    return {{"ok", true}, {"held", grants->held_for(*binding) != nullptr}};
  }

  json obey(const json& order) {
    const std::string what = order.value("do", "");
    if (what == "svid") return svid(order);
    if (what == "bundles") return bundles(order);
    if (what == "x509") return x509(order);
    if (what == "x509-bundles") return x509_bundles(order);
    if (what == "token") return token(order);
    if (what == "held") return held(order);
    if (what == "subject") {
      subject.token = Secret(order.value("token", ""));
      return {{"ok", true}};
    }
    if (what != "withdraw") return failure({Code::invalid, "no such order"});
    grants->keep_only(BindingTable());
    return {{"ok", true}};
  }
};

void say(const json& answer) {
  std::puts(answer.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

int main() {
  log::set_level(log::Level::error);
  Probe probe;
  bool configured = false;
  for (std::string line; std::getline(std::cin, line);) {
    const json order = json::parse(line, nullptr, false);
    if (!order.is_object()) return 2;
    const auto began = std::chrono::steady_clock::now();
    json answer;
    if (configured) {
      answer = probe.obey(order);
    } else if (const Result<> done = probe.configure(order); done) {
      configured = true;
      answer = {{"ok", true}};
    } else {
      answer = failure(done.error());
    }
    answer["ms"] = (std::chrono::steady_clock::now() - began) / std::chrono::milliseconds(1);
    say(answer);
  }
  return 0;
}
