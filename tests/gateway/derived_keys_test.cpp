// Providers whose secret stays in the gateway: which keys leave, when, and to whom.
#include "gateway/issue/derived_keys.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/bytes.hpp"
#include "gateway/options.hpp"
#include "gateway/rpc/provider_environment.hpp"
#include "inference.grpc.pb.h"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using namespace std::chrono_literals;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;
using Environment = v1::GetSandboxProviderEnvironmentResponse;
using Dates = std::vector<std::string>;

namespace {

const std::string canary = "canary/wJalrXUtnFEMI/K7MDENG+bPxRfiCYEX";
constexpr TimePoint midnight{std::chrono::milliseconds(1'798'761'600'000)};  // 2027-01-01T00:00Z

ProviderRow derived(const std::string& name = "work") {
  ProviderRow row;
  row.id = random_uuid();
  row.name = name;
  row.type = "aws";
  row.bindings = {"s3.example.com:443"};
  row.credentials.emplace("AWS_ACCESS_KEY_ID", Secret("AKIAIOSFODNN7EXAMPLE"));
  row.credentials.emplace("AWS_SECRET_ACCESS_KEY", Secret(canary));
  row.config["AWS_REGION"] = "eu-west-1";
  row.derived_keys = {{"s3"}, {"eu-west-1", "us-east-1"}};
  return row;
}

struct DerivedServer : UsersServer {
  explicit DerivedServer(const ProviderRow& row = derived()) {
    REQUIRE(store->create_provider(row));
    REQUIRE(*store->attach("a", row.name));
  }
  Environment environment(bool takes_derived_keys = true) {
    v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(a.id);
    request.set_supports_static_credential_bindings(true);
    request.set_supports_derived_keys(takes_derived_keys);
    const auto [status, response] = call(&Stub::GetSandboxProviderEnvironment, token(a), request);
    REQUIRE_MESSAGE(status.ok(), status.error_message());
    CHECK(response.SerializeAsString().find(canary) == std::string::npos);
    CHECK(response.environment().count("AWS_SECRET_ACCESS_KEY") == 0);
    return response;
  }
  std::uint64_t revision() {
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    REQUIRE(get_config(*stub, token(a), a.id, &response).ok());
    return response.provider_env_revision();
  }
  // The scopes that the sandbox has keys for at that time.
  std::set<std::string> scopes_at(TimePoint time) {
    clock.time = time;
    const Environment response = environment();
    CHECK(response.provider_env_revision() == revision());
    REQUIRE(response.derived_key_credentials_size() == 1);
    std::set<std::string> scopes;
    for (const v1::DerivedKey& one : response.derived_key_credentials(0).keys())
      scopes.insert(one.date() + "/" + one.region() + "/" + one.service());
    return scopes;
  }
};

std::set<std::string> both_regions(const Dates& dates) {
  std::set<std::string> scopes;
  for (const std::string& date : dates)
    for (const char* region : {"eu-west-1", "us-east-1"})
      scopes.insert(date + "/" + region + "/s3");
  return scopes;
}

}  // namespace

TEST_CASE("derived keys: dates around midnight, for every sandbox") {
  const Dates last{"20261231"}, over{"20261231", "20270101"}, first{"20270101"};
  for (int i = 0; i < 200; ++i) {
    const std::string id = random_uuid();
    CHECK(key_dates(id, midnight - 12h) == last);
    CHECK(key_dates(id, midnight - 40min - 1ms) == last);
    CHECK(key_dates(id, midnight - 20min) == over);
    CHECK(key_dates(id, midnight - 1s) == over);
    CHECK(key_dates(id, midnight) == over);
    CHECK(key_dates(id, midnight + 14min) == over);
    CHECK(key_dates(id, midnight + 15min - 1ms) == over);
    CHECK(key_dates(id, midnight + 15min) == first);
    CHECK(key_dates(id, midnight + 16min) == first);
  }
}

TEST_CASE("derived keys: a thousand sandboxes do not come at once") {
  std::vector<int> asking(20);  // in each minute of the push
  for (int i = 0; i < 1000; ++i) {
    const std::string id = "sandbox-" + std::to_string(i);
    int minute = 0;
    while (key_dates(id, midnight - 40min + std::chrono::minutes(minute)).size() < 2) ++minute;
    REQUIRE(minute <= 20);
    ++asking[static_cast<std::size_t>(std::max(minute - 1, 0))];
  }
  for (const int count : asking) {
    CHECK(count > 20);
    CHECK(count < 100);
  }
}

TEST_CASE("derived keys: the environment of a sandbox has them and never the secret") {
  DerivedServer gateway;
  gateway.clock.time = midnight - 12h;
  const Environment response = gateway.environment();
  CHECK(response.environment().size() == 1);  // configuration
  CHECK(response.environment().at("AWS_REGION") == "eu-west-1");
  CHECK(response.static_credential_bindings().empty());
  REQUIRE(response.derived_key_credentials_size() == 1);
  const v1::DerivedKeyCredentials& given = response.derived_key_credentials(0);
  CHECK(given.access_key_id() == "AKIAIOSFODNN7EXAMPLE");
  CHECK(given.session_token().empty());
  CHECK(given.expires_at_ms() == 0);
  CHECK(given.binding().credential_identity() == "work:derived_keys");
  REQUIRE(given.binding().endpoints_size() == 1);
  CHECK(given.binding().endpoints(0).host() == "s3.example.com");
  REQUIRE(given.keys_size() == 2);
  for (const v1::DerivedKey& key : given.keys()) {
    CHECK(key.key() ==
          netproxy::derive_signing_key(Secret(canary), {key.date(), key.region(), key.service()})
              .reveal());
    CHECK(key.not_before_ms() == (midnight - 24h - 15min).time_since_epoch().count());
    CHECK(key.not_after_ms() == (midnight + 15min).time_since_epoch().count());
  }
  CHECK(slurp(gateway.directory / "audit.jsonl").find(canary) == std::string::npos);
}

TEST_CASE("derived keys: pushed before midnight, kept for the skew window after it") {
  DerivedServer gateway;
  const std::set<std::string> last = both_regions({"20261231"}), first = both_regions({"20270101"}),
                              over = both_regions({"20261231", "20270101"});
  CHECK(gateway.scopes_at(midnight - 41min) == last);
  const std::uint64_t before = gateway.revision();
  CHECK(gateway.scopes_at(midnight - 20min) == over);
  const std::uint64_t pushed = gateway.revision();
  CHECK(pushed != before);  // that is when the supervisor comes
  CHECK(gateway.scopes_at(midnight - 1s) == over);
  CHECK(gateway.scopes_at(midnight) == over);
  CHECK(gateway.scopes_at(midnight + 14min) == over);
  CHECK(gateway.scopes_at(midnight + 16min) == first);
  CHECK(gateway.revision() == pushed);  // old keys are dropped by the supervisor itself
  CHECK(gateway.scopes_at(midnight + 24h - 41min) == first);
  CHECK(gateway.revision() == pushed);
  CHECK(gateway.scopes_at(midnight + 24h - 20min) == both_regions({"20270101", "20270102"}));
  CHECK(gateway.revision() != pushed);
}

TEST_CASE("derived keys: temporary credentials give their token and the earliest end") {
  ProviderRow row = derived();
  row.credentials.emplace("AWS_SESSION_TOKEN", Secret("session"));
  row.expires = {{"AWS_ACCESS_KEY_ID", 9000}, {"AWS_SECRET_ACCESS_KEY", 5000}};
  DerivedServer gateway(row);
  const Environment response = gateway.environment();
  CHECK(response.derived_key_credentials(0).session_token() == "session");
  CHECK(response.derived_key_credentials(0).expires_at_ms() == 5000);
}

TEST_CASE("derived keys: a supervisor that does not know them gets nothing of the provider") {
  DerivedServer gateway;
  ProviderRow other = derived("other");
  other.credentials.clear();
  other.credentials.emplace("TOKEN", Secret("value"));
  other.type = "generic";
  other.config.clear();
  other.derived_keys = {};
  REQUIRE(gateway.store->create_provider(other));
  REQUIRE(*gateway.store->attach("a", "other"));
  const Environment response = gateway.environment(false);
  CHECK(response.derived_key_credentials().empty());
  CHECK(response.environment().count("AWS_ACCESS_KEY_ID") == 0);
  CHECK(response.environment().at("TOKEN") == "value");
}

TEST_CASE("derived keys: another sandbox, and one without the provider, get none") {
  DerivedServer gateway;
  v1::GetSandboxProviderEnvironmentRequest request;
  request.set_sandbox_id(gateway.a.id);
  request.set_supports_derived_keys(true);
  CHECK(gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.b), request)
            .first.error_code() == StatusCode::PERMISSION_DENIED);
  request.set_sandbox_id(gateway.b.id);
  CHECK(gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.b), request)
            .second.derived_key_credentials()
            .empty());
}

TEST_CASE("derived keys: no change of a provider turns them into the secret") {
  DerivedServer gateway;
  v1::UpdateProviderRequest update;
  update.mutable_provider()->mutable_metadata()->set_name("work");
  auto& credentials = *update.mutable_provider()->mutable_credentials();
  credentials["AWS_SECRET_ACCESS_KEY"] = canary + "2";
  CHECK(gateway.call(&Stub::UpdateProvider, "admin", update).first.ok());
  CHECK(gateway.environment().derived_key_credentials_size() == 1);
  CHECK(gateway.store->outline_by_name("work")->derived_keys.regions ==
        std::vector<std::string>{"eu-west-1", "us-east-1"});
  v1::GetProviderRequest get;
  get.set_name("work");
  CHECK(gateway.call(&Stub::GetProvider, "admin", get).second.SerializeAsString().find("canary") ==
        std::string::npos);
  credentials["AWS_SECRET_ACCESS_KEY"] = "";  // nothing would be left to derive from
  CHECK(gateway.call(&Stub::UpdateProvider, "admin", update).first.error_code() ==
        StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("derived keys: no change of the database turns them into the secret, or into more keys") {
  for (const char* change :
       {"UPDATE providers SET derived_services = '[]', derived_regions = '[]'",
        "UPDATE providers SET derived_regions = '[\"eu-west-1\",\"sa-east-1\"]'"}) {
    CAPTURE(change);
    DerivedServer gateway;
    CHECK(gateway.environment().derived_key_credentials_size() == 1);
    gateway.database.change(change);
    v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(gateway.a.id);
    request.set_supports_static_credential_bindings(true);
    request.set_supports_derived_keys(true);
    const auto [status, response] =
        gateway.call(&Stub::GetSandboxProviderEnvironment, gateway.token(gateway.a), request);
    CHECK_FALSE(status.ok());
    CHECK(status.error_message().find("canary") == std::string::npos);
    CHECK(response.ByteSizeLong() == 0);
  }
}

TEST_CASE("derived keys: no inference route gives the secret away") {
  namespace inf = openshell::inference::v1;
  using Inference = inf::Inference::Stub;
  UsersServer gateway;
  const auto stub = inf::Inference::NewStub(gateway.channel);
  v1::ImportProviderProfilesRequest import;
  auto& profile = *import.add_profiles()->mutable_profile();
  profile.set_id("model");
  profile.set_inference_capable(true);
  profile.add_endpoints()->set_host("models.example");
  profile.mutable_endpoints(0)->set_port(443);
  for (const char* variable : {"AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"}) {
    auto& credential = *profile.add_credentials();
    credential.set_name(variable);
    credential.add_env_vars(variable);
  }
  REQUIRE(gateway.call(&Stub::ImportProviderProfiles, "admin", import).second.imported());
  ProviderRow row = derived();
  row.type = "model";
  const DerivedKeyScopes scopes = row.derived_keys;
  row.derived_keys = {};
  REQUIRE(gateway.store->create_provider(row));
  inf::SetInferenceRouteRequest set;
  set.set_provider_name("work");
  set.set_model_id("large");
  REQUIRE(gateway.call(*stub, &Inference::SetInferenceRoute, "admin", set).first.ok());

  // The route is still there when a provider of the same name keeps its secret.
  REQUIRE(*gateway.store->delete_provider("work"));
  row.derived_keys = scopes;
  REQUIRE(gateway.store->create_provider(row));
  REQUIRE(*gateway.store->attach("a", "work"));
  const auto [status, bundle] =
      gateway.call(*stub, &Inference::GetInferenceBundle, gateway.token(gateway.a), {});
  CHECK(status.ok());
  CHECK(bundle.routes().empty());
  CHECK(gateway.call(*stub, &Inference::SetInferenceRoute, "admin", set).first.error_code() ==
        StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("derived keys: what keys cannot be derived from, or for, is refused") {
  struct Case {
    const char* name;
    void (*change)(ProviderRow&);
  };
  for (const Case& c :
       {Case{"no service", [](auto& row) { row.derived_keys.services.clear(); }},
        {"no region", [](auto& row) { row.derived_keys.regions.clear(); }},
        {"every region", [](auto& row) { row.derived_keys.regions = {"*"}; }},
        {"a family of regions", [](auto& row) { row.derived_keys.regions = {"eu-*"}; }},
        {"a service twice", [](auto& row) { row.derived_keys.services = {"s3", "s3"}; }},
        {"too many pairs",
         [](auto& row) {
           for (int i = 0; i < 63; ++i)
             row.derived_keys.regions.push_back("r-" + std::to_string(i));
         }},
        {"no key id", [](auto& row) { row.credentials.erase("AWS_ACCESS_KEY_ID"); }},
        {"no secret", [](auto& row) { row.credentials.erase("AWS_SECRET_ACCESS_KEY"); }},
        {"another secret",
         [](auto& row) { row.credentials.emplace("GITHUB_TOKEN", Secret("x")); }}}) {
    CAPTURE(c.name);
    ProviderRow row = derived();
    CHECK(check_derived_keys(row));
    c.change(row);
    const auto checked = check_derived_keys(row);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == Code::invalid);
  }
}

TEST_CASE("derived keys: the command line wants services and regions with them, and only then") {
  std::vector<std::string> line = {"provider", "create", "aws", "work", "--from-file", "-"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), line.begin(), line.end());
    return parse_options(more);
  };
  const auto parsed = with({"--derived-keys", "--services", "s3,sts", "--regions", "eu-west-1",
                            "--regions", "us-east-1"});
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().what);
  const auto& command = std::get<ProviderCommand>(parsed->action);
  CHECK(command.derived_keys);
  CHECK(command.services == std::vector<std::string>{"s3", "sts"});
  CHECK(command.regions == std::vector<std::string>{"eu-west-1", "us-east-1"});
  CHECK_FALSE(with({"--derived-keys"}));
  CHECK_FALSE(with({"--derived-keys", "--services", "s3"}));
  CHECK_FALSE(with({"--derived-keys", "--regions", "eu-west-1"}));
  CHECK_FALSE(with({"--services", "s3", "--regions", "eu-west-1"}));
}
