// Token grants in provider profiles, and the bindings that supervisors get of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "gateway/rpc/policy_rows.hpp"
#include "identity/rpc/provider_environment.hpp"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;

namespace {

constexpr const char* server_url =
    "https://login.example/realms/main/protocol/openid-connect/token";

// A profile `id` that is granted a token for HOST:443.
v1::ProviderProfile granted(const std::string& id, const std::string& host) {
  v1::ProviderProfile profile;
  profile.set_id(id);
  auto& credential = *profile.add_credentials();
  credential.set_name("token");
  credential.mutable_token_grant()->set_token_endpoint(server_url);
  credential.mutable_token_grant()->set_audience(id);
  auto& endpoint = *profile.add_endpoints();
  endpoint.set_host(host);
  endpoint.set_port(443);
  endpoint.set_protocol("rest");
  endpoint.set_access("full");
  return profile;
}

v1::ProviderCredentialTokenGrant& grant_of(v1::ProviderProfile& profile) {
  return *profile.mutable_credentials(0)->mutable_token_grant();
}

void add_override(v1::ProviderProfile& profile, const std::string& host, const std::string& path) {
  auto& each = *grant_of(profile).add_audience_overrides();
  each.set_host(host);
  each.set_path(path);
  each.set_audience("of-the-override");
}

struct GrantsServer : UsersServer {
  v1::ImportProviderProfilesResponse import(const v1::ProviderProfile& profile) {
    v1::ImportProviderProfilesRequest request;
    *request.add_profiles()->mutable_profile() = profile;
    return call(&Stub::ImportProviderProfiles, "admin", request).second;
  }
  v1::UpdateProviderProfilesResponse update(const v1::ProviderProfile& profile) {
    v1::GetProviderProfileRequest get;
    get.set_id(profile.id());
    v1::UpdateProviderProfilesRequest request;
    request.set_id(profile.id());
    request.set_expected_resource_version(
        call(&Stub::GetProviderProfile, "admin", get).second.profile().resource_version());
    *request.mutable_profile()->mutable_profile() = profile;
    return call(&Stub::UpdateProviderProfiles, "admin", request).second;
  }
  grpc::Status provide(const std::string& name, const std::string& type) {
    v1::CreateProviderRequest request;
    request.mutable_provider()->mutable_metadata()->set_name(name);
    request.mutable_provider()->set_type(type);
    return call(&Stub::CreateProvider, "admin", request).first;
  }
  grpc::Status attach(const std::string& name) {
    v1::AttachSandboxProviderRequest request;
    request.set_sandbox_name("a");
    request.set_provider_name(name);
    return call(&Stub::AttachSandboxProvider, "user", request).first;
  }
  // The profile, a provider NAME-1 of it, and sandbox a has that.
  void give(const v1::ProviderProfile& profile) {
    const auto imported = import(profile);
    REQUIRE_MESSAGE(imported.imported(), imported.ShortDebugString());
    const std::string name = profile.id() + "-1";
    const grpc::Status made = provide(name, profile.id());
    REQUIRE_MESSAGE(made.ok(), made.error_message());
    const grpc::Status attached = attach(name);
    REQUIRE_MESSAGE(attached.ok(), attached.error_message());
  }
  v1::GetSandboxProviderEnvironmentResponse environment(bool extended = true) {
    v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(a.id);
    request.set_supports_static_credential_bindings(true);
    request.set_supports_extended_token_grants(extended);
    const auto [status, response] = call(&Stub::GetSandboxProviderEnvironment, token(a), request);
    REQUIRE_MESSAGE(status.ok(), status.error_message());
    return response;
  }
  std::uint64_t polled_revision() {
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    REQUIRE(get_config(*stub, token(a), a.id, &response).ok());
    return response.provider_env_revision();
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A refusal that names both.
void check_refusal(const std::string& text, const std::string& one, const std::string& other) {
  CAPTURE(text);
  CHECK(contains(text, one));
  CHECK(contains(text, other));
}

// As a supervisor reads it.
void check_closed(v1::GetSandboxProviderEnvironmentResponse environment,
                  const std::vector<std::string>& hosts) {
  std::set<std::string> closed;
  for (const auto& refused : identity::take_provider_environment(environment).grants.refused)
    closed.insert(refused.where ? refused.where->host : "");
  CHECK(closed == std::set<std::string>(hosts.begin(), hosts.end()));
}

}  // namespace

TEST_CASE("grants: a provider without credentials brings its sandbox what its profile grants") {
  GrantsServer gateway;
  v1::ProviderProfile profile = granted("alpha", "*.alpha.example");
  grant_of(profile).add_scopes("read");
  add_override(profile, "admin.alpha.example", "/v1/**");
  gateway.give(profile);

  const auto environment = gateway.environment();
  CHECK(environment.environment().empty());
  CHECK(environment.static_credential_bindings().empty());
  const auto& dynamic = environment.dynamic_credentials();
  REQUIRE(dynamic.size() == 2);
  const auto& plain = dynamic.at("*.alpha.example\t443\t\talpha-1:token");
  CHECK(plain.token_grant().audience() == "alpha");
  CHECK(plain.token_grant().scopes(0) == "read");
  CHECK(plain.token_grant().audience_overrides().empty());
  const auto& admin = dynamic.at("admin.alpha.example\t443\t/v1/**\talpha-1:token");
  CHECK(admin.token_grant().audience() == "of-the-override");
  CHECK(admin.token_grant().scopes(0) == "read");
  CHECK(admin.token_grant().token_endpoint() == server_url);
  CHECK(gateway.polled_revision() == environment.provider_env_revision());

  v1::GetProviderProfileRequest get;
  get.set_id("alpha");
  const auto shown = gateway.call(&Stub::GetProviderProfile, "user", get).second.profile();
  CHECK(shown.credentials(0).token_grant().audience_overrides_size() == 1);
}

TEST_CASE("grants: the revision changes with a grant, and when it is withdrawn") {
  GrantsServer gateway;
  v1::ProviderProfile profile = granted("alpha", "alpha.example");
  gateway.give(profile);
  const std::uint64_t first = gateway.polled_revision();
  profile.set_display_name("Alpha");
  REQUIRE(gateway.update(profile).updated());
  CHECK(gateway.polled_revision() == first);
  grant_of(profile).add_scopes("write");
  REQUIRE(gateway.update(profile).updated());
  const std::uint64_t second = gateway.polled_revision();
  CHECK(second != first);
  CHECK(gateway.environment().provider_env_revision() == second);

  v1::ProviderProfile none = profile;
  none.mutable_credentials(0)->clear_token_grant();
  none.mutable_credentials(0)->add_env_vars("ALPHA_KEY");
  const auto refused = gateway.update(none);
  CHECK_FALSE(refused.updated());
  REQUIRE(refused.diagnostics_size() == 1);
  CHECK(contains(refused.diagnostics(0).message(), "alpha-1"));
  REQUIRE(*gateway.store->detach("a", "alpha-1"));
  CHECK(gateway.polled_revision() != second);
  CHECK(gateway.environment().dynamic_credentials().empty());
}

TEST_CASE("grants: what a supervisor would read as something else stays here") {
  using Change = void (*)(v1::ProviderCredentialTokenGrant&);
  const struct {
    const char* what;
    bool extended;
    Change change;
  } cases[] = {
      {"as the contract has it", false, [](auto&) {}},
      {"by its name", false, [](auto& g) { g.set_grant_type("client_credentials"); }},
      {"jwt-spiffe", false,
       [](auto& g) {
         g.set_client_assertion_type("urn:ietf:params:oauth:client-assertion-type:jwt-spiffe");
       }},
      {"jwt_bearer", true, [](auto& g) { g.set_grant_type("jwt_bearer"); }},
      {"token_exchange", true,
       [](auto& g) {
         g.set_grant_type("token_exchange");
         g.set_requested_token_type("urn:ietf:params:oauth:token-type:access_token");
       }},
      {"raw_svid", true,
       [](auto& g) {
         g.set_grant_type("raw_svid");
         g.clear_token_endpoint();
       }},
      {"issuer", true,
       [](auto& g) {
         g.set_issuer("https://login.example");
         g.clear_token_endpoint();
       }},
      {"client_auth", true, [](auto& g) { g.set_client_auth("tls_client_auth"); }},
      {"client_id", true, [](auto& g) { g.set_client_id("me"); }},
      {"assertion", true, [](auto& g) { g.set_assertion("service_account"); }},
      {"resource", true, [](auto& g) { g.add_resources("https://alpha.example/"); }}};
  for (const auto& c : cases) {
    CAPTURE(c.what);
    GrantsServer gateway;
    v1::ProviderProfile profile = granted("alpha", "alpha.example");
    c.change(grant_of(profile));
    gateway.give(profile);
    const auto all = gateway.environment(true), contract = gateway.environment(false);
    CHECK(all.dynamic_credentials_size() == 1);
    CHECK(contract.dynamic_credentials_size() == (c.extended ? 0 : 1));
    CHECK(all.provider_env_revision() == contract.provider_env_revision());
  }
}

TEST_CASE("grants: two for the same requests are refused wherever they would come together") {
  GrantsServer gateway;
  gateway.give(granted("alpha", "*.example.com"));
  REQUIRE(gateway.import(granted("beta", "api.example.com")).imported());
  REQUIRE(gateway.import(granted("gamma", "*.example.com")).imported());
  for (const char* type : {"alpha", "beta", "gamma"})
    REQUIRE(gateway.provide(std::string(type) + "-2", type).ok());

  // Attached, directly or with the sandbox.
  for (const char* name : {"alpha-2", "gamma-2"}) {
    const grpc::Status refused = gateway.attach(name);
    CHECK(refused.error_code() == StatusCode::FAILED_PRECONDITION);
    check_refusal(refused.error_message(), "alpha-1:token", std::string(name) + ":token");
  }
  v1::CreateSandboxRequest create;
  create.set_name("c");
  create.mutable_spec()->add_providers("alpha-1");
  create.mutable_spec()->add_providers("gamma-2");
  const grpc::Status refused = gateway.call(&Stub::CreateSandbox, "user", create).first;
  CHECK(refused.error_code() == StatusCode::FAILED_PRECONDITION);
  check_refusal(refused.error_message(), "alpha-1:token", "gamma-2:token");

  // One is more specific: both are given.
  REQUIRE(gateway.attach("beta-2").ok());
  CHECK(gateway.environment().dynamic_credentials_size() == 2);

  // A profile that changes under the sandbox that uses it.
  v1::ProviderProfile wider = granted("beta", "*.example.com");
  const auto update = gateway.update(wider);
  CHECK_FALSE(update.updated());
  REQUIRE(update.diagnostics_size() == 1);
  CHECK(update.diagnostics(0).profile_id() == "beta");
  check_refusal(update.diagnostics(0).message(), "alpha-1:token", "beta-2:token");
  CHECK(contains(update.diagnostics(0).message(), "sandbox 'a'"));
  CHECK(gateway.environment().dynamic_credentials_size() == 2);

  // ... under another name of a header, both go with one request.
  wider.mutable_credentials(0)->set_auth_style("header");
  wider.mutable_credentials(0)->set_header_name("X-Beta");
  CHECK(gateway.update(wider).updated());
  CHECK(gateway.environment().dynamic_credentials_size() == 2);
}

TEST_CASE("grants: a profile that comes under a sandbox that has a provider of its type") {
  GrantsServer gateway;
  gateway.give(granted("alpha", "api.example.com"));
  ProviderRow early;
  early.id = random_uuid();
  early.name = "early";
  early.type = "beta";
  early.bindings = {"static.example:443"};
  early.credentials.emplace("BETA_KEY", Secret("value"));
  REQUIRE(gateway.store->create_provider(early));
  REQUIRE(gateway.attach("early").ok());
  const auto refused = gateway.import(granted("beta", "api.example.com"));
  CHECK_FALSE(refused.imported());
  REQUIRE(refused.diagnostics_size() == 1);
  check_refusal(refused.diagnostics(0).message(), "alpha-1:token", "early:token");
  CHECK(gateway.import(granted("beta", "beta.example.com")).imported());
}

TEST_CASE("grants: no JWT-SVID is for two authorization servers") {
  GrantsServer gateway;
  gateway.give(granted("alpha", "alpha.example"));
  v1::ProviderProfile other = granted("beta", "beta.example");
  grant_of(other).set_token_endpoint("https://elsewhere.example/token");
  grant_of(other).set_jwt_svid_audience("https://login.example/realms/main");
  REQUIRE(gateway.import(other).imported());
  REQUIRE(gateway.provide("beta-1", "beta").ok());
  const grpc::Status refused = gateway.attach("beta-1");
  CHECK(refused.error_code() == StatusCode::FAILED_PRECONDITION);
  check_refusal(refused.error_message(), "login.example", "elsewhere.example");
}

TEST_CASE("grants: what is stored by another hand closes the places that it is for") {
  GrantsServer gateway;
  gateway.give(granted("alpha", "alpha.example"));
  v1::ProviderProfile twice = granted("beta", "beta.example");
  gateway.give(twice);
  ProviderRow keys;
  keys.id = random_uuid();
  keys.name = "keys";
  keys.type = "generic";
  keys.bindings = {"keys.example:443"};
  keys.credentials.emplace("KEY", Secret("value"));
  REQUIRE(gateway.store->create_provider(keys));
  REQUIRE(gateway.attach("keys").ok());
  CHECK(gateway.environment().dynamic_credentials_size() == 2);
  const std::uint64_t before = gateway.polled_revision();

  twice.mutable_endpoints(0)->set_host("alpha.example");
  const auto unruled = *open_store(gateway.database.name(), gateway.key);
  REQUIRE(unruled->put_record({{profile_kind, "", "beta"}, serialize(twice), {}, 1}));
  auto environment = gateway.environment();
  CHECK(environment.dynamic_credentials_size() == 2);
  CHECK(environment.environment().at("KEY") == "value");
  CHECK(environment.provider_env_revision() != before);
  check_closed(environment, {"alpha.example"});
  // It is not made worse either, and can be mended.
  REQUIRE(gateway.provide("alpha-2", "alpha").ok());
  CHECK(gateway.attach("alpha-2").error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(gateway.update(granted("beta", "beta.example")).updated());
  environment = gateway.environment();
  CHECK(environment.dynamic_credentials_size() == 2);
  check_closed(environment, {});
}

TEST_CASE("grants: what cannot be read any more closes the places that it is for") {
  using Change = void (*)(v1::ProviderProfile&);
  const struct {
    const char* what;
    Change change;
    std::vector<std::string> closed;  // "": every place
  } cases[] = {
      {"no grant", [](auto& p) { grant_of(p).set_grant_type("password"); }, {"beta.example"}},
      {"no server", [](auto& p) { grant_of(p).set_token_endpoint("nowhere"); }, {"beta.example"}},
      {"no header",
       [](auto& p) {
         p.mutable_credentials(0)->set_auth_style("header");
         p.mutable_credentials(0)->set_header_name("content_length");
       },
       {"beta.example"}},
      {"an override elsewhere",
       [](auto& p) { add_override(p, "elsewhere.example", ""); },
       {"beta.example"}},
      {"no endpoint", [](auto& p) { p.mutable_endpoints(0)->set_host("a b"); }, {""}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    GrantsServer gateway;
    gateway.give(granted("alpha", "alpha.example"));
    v1::ProviderProfile broken = granted("beta", "beta.example");
    gateway.give(broken);
    c.change(broken);
    const auto unruled = *open_store(gateway.database.name(), gateway.key);
    REQUIRE(unruled->put_record({{profile_kind, "", "beta"}, serialize(broken), {}, 1}));
    auto environment = gateway.environment();
    CHECK(environment.dynamic_credentials().count("alpha.example\t443\t\talpha-1:token") == 1);
    check_closed(environment, c.closed);
    CHECK(gateway.polled_revision() == environment.provider_env_revision());
  }
}

TEST_CASE("grants: what a provider of a granting profile must and must not bring") {
  GrantsServer gateway;
  REQUIRE(gateway.import(granted("alpha", "alpha.example")).imported());
  v1::ProviderProfile both = granted("both", "both.example");
  auto& key = *both.add_credentials();
  key.set_name("key");
  key.add_env_vars("BOTH_KEY");
  key.set_required(true);
  REQUIRE(gateway.import(both).imported());

  CHECK(gateway.provide("plain", "generic").error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(gateway.provide("both-1", "both").error_code() == StatusCode::INVALID_ARGUMENT);
  v1::CreateProviderRequest request;
  request.mutable_provider()->set_type("alpha");
  (*request.mutable_provider()->mutable_credentials())["ALPHA_KEY"] = "value";
  CHECK(gateway.call(&Stub::CreateProvider, "admin", request).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
  request.mutable_provider()->set_type("both");
  request.mutable_provider()->mutable_metadata()->set_name("both-1");
  request.mutable_provider()->mutable_credentials()->clear();
  (*request.mutable_provider()->mutable_credentials())["BOTH_KEY"] = "value";
  REQUIRE(gateway.call(&Stub::CreateProvider, "admin", request).first.ok());
  REQUIRE(gateway.attach("both-1").ok());
  const auto environment = gateway.environment();
  CHECK(environment.environment().at("BOTH_KEY") == "value");
  CHECK(environment.dynamic_credentials().count("both.example\t443\t\tboth-1:token") == 1);
}
