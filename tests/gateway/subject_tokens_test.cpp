// Users' tokens as the subject of token grants: who is given one, and where it is never given.
#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "gateway/rpc/providers.hpp"
#include "inference.grpc.pb.h"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;

namespace {

using Credentials = std::map<std::string, std::string>;

constexpr const char* anna = "token-of-anna";

// A token exchange for alpha.example whose subject is USER_TOKEN.
v1::ProviderProfile exchanging() {
  v1::ProviderProfile profile;
  profile.set_id("alpha");
  auto& user = *profile.add_credentials();
  user.set_name("user");
  user.add_env_vars("USER_TOKEN");
  auto& plain = *profile.add_credentials();
  plain.set_name("key");
  plain.add_env_vars("ALPHA_KEY");
  auto& grant = *profile.add_credentials();
  grant.set_name("token");
  grant.mutable_token_grant()->set_token_endpoint("https://login.example/token");
  grant.mutable_token_grant()->set_grant_type("token_exchange");
  grant.mutable_token_grant()->set_subject_credential("user");
  auto& other = *profile.add_credentials();
  other.set_name("own");
  other.set_auth_style("header");
  other.set_header_name("x-own");
  other.mutable_token_grant()->set_token_endpoint("https://login.example/token");
  auto& endpoint = *profile.add_endpoints();
  endpoint.set_host("alpha.example");
  endpoint.set_port(443);
  endpoint.set_protocol("rest");
  endpoint.set_access("full");
  return profile;
}

// Sandbox a has the provider p of that profile.
struct SubjectsServer : UsersServer {
  explicit SubjectsServer(const Credentials& credentials = {{"USER_TOKEN", anna}}) {
    v1::ImportProviderProfilesRequest import;
    *import.add_profiles()->mutable_profile() = exchanging();
    const auto imported = call(&Stub::ImportProviderProfiles, "admin", import).second;
    REQUIRE_MESSAGE(imported.imported(), imported.ShortDebugString());
    v1::CreateProviderRequest create;
    create.mutable_provider()->mutable_metadata()->set_name("p");
    create.mutable_provider()->set_type("alpha");
    for (const auto& [name, value] : credentials)
      (*create.mutable_provider()->mutable_credentials())[name] = value;
    const grpc::Status made = call(&Stub::CreateProvider, "admin", create).first;
    REQUIRE_MESSAGE(made.ok(), made.error_message());
    REQUIRE(*store->attach("a", "p"));
  }
  std::pair<grpc::Status, v1::GetSandboxSubjectTokenResponse> ask(
      const std::string& bearer, const std::string& sandbox, const std::string& provider = "p",
      const std::string& credential = "token") {
    v1::GetSandboxSubjectTokenRequest request;
    request.set_sandbox_id(sandbox);
    request.set_provider(provider);
    request.set_credential(credential);
    return call(&Stub::GetSandboxSubjectToken, bearer, request);
  }
  std::pair<grpc::Status, v1::GetSandboxSubjectTokenResponse> ask() { return ask(token(a), a.id); }
  v1::GetSandboxProviderEnvironmentResponse environment(bool extended = true) {
    v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(a.id);
    request.set_supports_static_credential_bindings(true);
    request.set_supports_extended_token_grants(extended);
    const auto [status, response] = call(&Stub::GetSandboxProviderEnvironment, token(a), request);
    REQUIRE_MESSAGE(status.ok(), status.error_message());
    return response;
  }
  grpc::Status update(const std::string& name, const std::string& value,
                      std::int64_t expires_at_ms = 0) {
    v1::UpdateProviderRequest request;
    request.mutable_provider()->mutable_metadata()->set_name("p");
    (*request.mutable_provider()->mutable_credentials())[name] = value;
    if (expires_at_ms != 0) (*request.mutable_credential_expires_at_ms())[name] = expires_at_ms;
    return call(&Stub::UpdateProvider, "admin", request).first;
  }
};

std::string version_in(const v1::GetSandboxProviderEnvironmentResponse& environment) {
  return environment.dynamic_credentials()
      .at("alpha.example\t443\t\tp:token")
      .token_grant()
      .subject_version();
}

std::string jwt_until(TimePoint end) {
  const std::int64_t seconds = end.time_since_epoch().count() / 1000;
  return "eyJhbGciOiJFUzI1NiJ9." +
         base64url("{\"sub\":\"anna\",\"exp\":" + std::to_string(seconds) + "}") + ".c2lnbmVk";
}

}  // namespace

TEST_CASE(
    "subject tokens: the sandbox that has the provider is given it, and nothing else has it") {
  SubjectsServer gateway({{"USER_TOKEN", anna}, {"ALPHA_KEY", "plain"}});
  const auto [status, answer] = gateway.ask();
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  CHECK(answer.token() == anna);
  CHECK(answer.expires_at_ms() == 0);
  for (const bool extended : {true, false}) {
    const auto environment = gateway.environment(extended);
    CHECK(environment.environment().at("ALPHA_KEY") == "plain");
    CHECK(environment.environment().count("USER_TOKEN") == 0);
    CHECK(environment.static_credential_bindings().count("USER_TOKEN") == 0);
    CHECK(environment.SerializeAsString().find(anna) == std::string::npos);
    CHECK(environment.dynamic_credentials().size() == (extended ? 2 : 1));
  }
  v1::GetProviderRequest get;
  get.set_name("p");
  const auto shown = gateway.call(&Stub::GetProvider, "admin", get).second;
  CHECK(shown.provider().credentials().at("USER_TOKEN") == "REDACTED");
}

TEST_CASE("subject tokens: nobody else is") {
  SubjectsServer gateway;
  CHECK(gateway.ask("", gateway.a.id).first.error_code() == StatusCode::UNAUTHENTICATED);
  for (const char* user : {"admin", "user"})
    CHECK(gateway.ask(user, gateway.a.id).first.error_code() == StatusCode::PERMISSION_DENIED);
  const auto of_another = gateway.ask(gateway.token(gateway.b), gateway.a.id).first;
  CHECK(of_another.error_code() == StatusCode::PERMISSION_DENIED);
  // Its own id, and the provider of another one: as if there were none.
  const auto foreign = gateway.ask(gateway.token(gateway.b), gateway.b.id).first;
  const auto unknown = gateway.ask(gateway.token(gateway.b), gateway.b.id, "nobodys").first;
  CHECK(foreign.error_code() == StatusCode::NOT_FOUND);
  CHECK(foreign.error_message() == unknown.error_message());
  // Credentials that have no user, or are none of the profile's.
  for (const char* credential : {"user", "key", "own", "none", ""})
    CHECK(gateway.ask(gateway.token(gateway.a), gateway.a.id, "p", credential).first.error_code() ==
          StatusCode::NOT_FOUND);
  REQUIRE(*gateway.store->detach("a", "p"));
  CHECK(gateway.ask().first.error_code() == StatusCode::NOT_FOUND);
}

TEST_CASE("subject tokens: one that is missing or has ended is not given, and the text says so") {
  SubjectsServer gateway(Credentials{});
  const auto missing = gateway.ask().first;
  CHECK(missing.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(missing.error_message().find("has no user's token (USER_TOKEN)") != std::string::npos);
  const TimePoint now = gateway.clock.now();
  const std::int64_t later = unix_millis(now + std::chrono::hours(1));
  REQUIRE(gateway.update("USER_TOKEN", anna, later).ok());
  CHECK(gateway.ask().second.token() == anna);
  CHECK(gateway.ask().second.expires_at_ms() == later);
  // The token's own word counts as well, and the earlier one of both.
  const TimePoint own = std::chrono::floor<std::chrono::seconds>(now) + std::chrono::minutes(5);
  REQUIRE(gateway.update("USER_TOKEN", jwt_until(own), later).ok());
  CHECK(gateway.ask().second.expires_at_ms() == unix_millis(own));
  REQUIRE(gateway.update("USER_TOKEN", jwt_until(now - std::chrono::minutes(5)), later).ok());
  const auto ended = gateway.ask();
  CHECK(ended.first.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(ended.first.error_message().find("has ended") != std::string::npos);
  CHECK(ended.second.token().empty());
  REQUIRE(gateway.update("USER_TOKEN", anna, unix_millis(now - std::chrono::seconds(1))).ok());
  CHECK(gateway.ask().first.error_code() == StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("subject tokens: no record of the gateway's has one") {
  SubjectsServer gateway;
  REQUIRE(gateway.ask().first.ok());
  CHECK_FALSE(gateway.ask(gateway.token(gateway.b), gateway.b.id).first.ok());
  const std::string records = read_file(gateway.directory / "audit.jsonl").value();
  CHECK(records.find("GetSandboxSubjectToken") != std::string::npos);
  CHECK(records.find(anna) == std::string::npos);
}

TEST_CASE("subject tokens: a replaced one is another subject") {
  SubjectsServer gateway;
  const auto before = gateway.environment();
  REQUIRE(gateway.update("USER_TOKEN", "token-of-bert").ok());
  const auto after = gateway.environment();
  CHECK(before.provider_env_revision() != after.provider_env_revision());
  CHECK_FALSE(version_in(before).empty());
  CHECK(version_in(before) != version_in(after));
  CHECK(gateway.ask().second.token() == "token-of-bert");
}

TEST_CASE("subject tokens: no inference route gives one away, and none is bound") {
  namespace inf = openshell::inference::v1;
  SubjectsServer gateway;
  v1::ProviderProfile profile = exchanging();
  profile.set_inference_capable(true);
  v1::UpdateProviderProfilesRequest update;
  update.set_id("alpha");
  *update.mutable_profile()->mutable_profile() = profile;
  v1::GetProviderProfileRequest get;
  get.set_id("alpha");
  update.set_expected_resource_version(
      gateway.call(&Stub::GetProviderProfile, "admin", get).second.profile().resource_version());
  REQUIRE(gateway.call(&Stub::UpdateProviderProfiles, "admin", update).second.updated());
  const auto stub = inf::Inference::NewStub(gateway.channel);
  inf::SetInferenceRouteRequest route;
  route.set_provider_name("p");
  route.set_model_id("m");
  const auto set =
      gateway.call(*stub, &inf::Inference::Stub::SetInferenceRoute, "admin", route).first;
  REQUIRE_MESSAGE(set.ok(), set.error_message());
  const auto bundle = gateway
                          .call(*stub, &inf::Inference::Stub::GetInferenceBundle,
                                gateway.token(gateway.a), inf::GetInferenceBundleRequest())
                          .second;
  REQUIRE(bundle.routes_size() == 1);
  CHECK(bundle.routes(0).api_key().empty());

  ProviderRow row;
  row.id = "0";
  row.name = "bound";
  row.type = "alpha";
  row.credentials.emplace("USER_TOKEN", Secret(anna));
  row.bindings = {"elsewhere.example:443"};
  const auto refused = check_provider(*gateway.store, row);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().what.find("--bind") != std::string::npos);
}
