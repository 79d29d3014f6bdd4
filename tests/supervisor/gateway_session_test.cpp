// The session against a fake gateway on loopback: start, changes, loss and return.  What a fake's
// answers use is declared before the fixture: its handlers end with it.
#include "supervisor/gateway_session.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "base/file.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using namespace std::chrono_literals;
using tests::Call;
using tests::FakeGateway;
using tests::fresh_token;

namespace {

const SystemClock system_time;

// Bounded: a state that never comes fails the test instead of hanging it.
bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(20ms);
  }
  return condition();
}

void add_endpoint(tests::sandbox_v1::GetSandboxConfigResponse& response, const std::string& host) {
  response.mutable_policy()->set_version(1);
  auto* endpoint = (*response.mutable_policy()->mutable_network_policies())["rule"].add_endpoints();
  endpoint->set_host(host);
  endpoint->set_port(443);
  endpoint->set_protocol("rest");
  endpoint->set_access("full");
  endpoint->set_enforcement("enforce");
}

void add_aws(tests::v1::GetSandboxProviderEnvironmentResponse& response,
             const std::string& secret) {
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
    (*response.mutable_environment())[name] = secret;
    auto& binding = (*response.mutable_static_credential_bindings())[name];
    binding.set_credential_identity("prod:" + std::string(name));
    binding.add_endpoints()->set_host("s3.example.com");
  }
}

struct Fixture {
  FakeGateway gateway;
  tests::TestDirectory directory;
  Snapshot<netproxy::Policy> policy;
  Snapshot<netproxy::Credentials> credentials;
  TokenGrants grants{TokenGrantSettings{}, system_time};
  GatewaySettings settings;
  // What the fake gateway says; guarded by gateway.mutex.
  std::string host = "a.example.com", failure_mode, protocol_override;
  std::uint64_t config_revision = 1, environment_revision = 1;
  grpc::Status status = grpc::Status::OK;
  int environment_failures = 0;

  Fixture() {
    settings.endpoint.url = gateway.url();
    settings.poll_seconds = 1;
    settings.control_socket = directory / "control/control.sock";
    gateway.config = [this](const Call&, auto& response) {
      add_endpoint(response, host);
      if (!protocol_override.empty())
        (*response.mutable_policy()->mutable_network_policies())["rule"]
            .mutable_endpoints(0)
            ->set_protocol(protocol_override);
      response.set_version(static_cast<std::uint32_t>(config_revision));
      response.set_policy_hash(host);
      response.set_config_revision(config_revision);
      response.set_provider_env_revision(environment_revision);
      response.set_policy_validation_failure_mode(failure_mode);
      return status;
    };
    gateway.environment = [this](const Call&, auto& response) {
      if (environment_failures > 0) {
        --environment_failures;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not yet");
      }
      add_aws(response, "secret-" + std::to_string(environment_revision));
      (*response.mutable_environment())["AWS_REGION"] = "eu-central-1";
      response.add_non_secret_environment_keys("AWS_REGION");
      response.set_provider_env_revision(environment_revision);
      return status;
    };
  }
  Result<std::unique_ptr<GatewaySession>> start(Secret token = fresh_token()) {
    return GatewaySession::start(
        {settings, std::move(token), policy, credentials, grants, system_time});
  }
  template <class Change>
  void change(const Change& apply) {
    const std::lock_guard lock(gateway.mutex);
    apply();
  }
  bool allows(const std::string& name) const {
    const auto current = policy.get();
    return current && current->decide_connect({name, 443}, {}).allowed;
  }
  bool holds(const std::string& secret) const {
    const auto current = credentials.get();
    return current && current->aws.size() == 1 &&
           current->aws[0].keys.secret_access_key.equals(secret);
  }
};

}  // namespace

TEST_CASE("gateway session: start gives policy, credentials and configuration") {
  Fixture f;
  const auto session = f.start();
  REQUIRE(session.has_value());
  CHECK(f.allows("a.example.com"));
  CHECK_FALSE(f.allows("b.example.com"));
  CHECK(f.holds("secret-1"));
  CHECK((*session)->gives_placeholder());
  CHECK((*session)->provided() == EnvironmentMap{{"AWS_REGION", "eu-central-1"}});
  const std::lock_guard lock(f.gateway.mutex);
  REQUIRE(f.gateway.reports.size() == 1);
  CHECK(f.gateway.reports[0].status() == tests::v1::POLICY_STATUS_LOADED);
}

TEST_CASE("gateway session: changes arrive") {
  Fixture f;
  const auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] { f.host = "b.example.com", f.config_revision = 2, f.environment_revision = 9; });
  CHECK(comes_true([&] { return f.allows("b.example.com") && f.holds("secret-9"); }));
  CHECK_FALSE(f.allows("a.example.com"));
  CHECK((*session)->initial_policy().network_policies.at(0).endpoints.at(0).host ==
        "a.example.com");
}

TEST_CASE("gateway session: a policy that cannot be served closes, or the last one stays") {
  for (const bool retain : {false, true}) {
    CAPTURE(retain);
    Fixture f;
    if (retain) f.failure_mode = "retain_last_valid";
    const auto session = f.start();
    REQUIRE(session.has_value());
    f.change([&] { f.protocol_override = "websocket", f.config_revision = 2; });
    REQUIRE(comes_true([&] {
      const std::lock_guard lock(f.gateway.mutex);
      return f.gateway.reports.size() >= 2;
    }));
    CHECK(f.allows("a.example.com") == retain);
    {
      const std::lock_guard lock(f.gateway.mutex);
      CHECK(f.gateway.reports[1].status() == tests::v1::POLICY_STATUS_FAILED);
      CHECK_FALSE(f.gateway.reports[1].load_error().empty());
    }
    f.change([&] { f.protocol_override.clear(), f.config_revision = 3; });
    CHECK(comes_true([&] { return f.allows("a.example.com"); }));
  }
}

TEST_CASE("gateway session: a gateway that is away changes nothing while the token lives") {
  std::atomic<int> polls{0};
  Fixture f;
  const auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] {
    f.gateway.config = [&](const Call&, auto&) {
      ++polls;
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
    };
  });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(f.gateway.mutex);
    return polls >= 2;
  }));
  CHECK(f.allows("a.example.com"));
  CHECK(f.holds("secret-1"));
}

TEST_CASE("gateway session: when the token has ended everything is denied") {
  Fixture f;
  const auto session = f.start(fresh_token(3s));
  REQUIRE(session.has_value());
  f.change([&] { f.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "away"); });
  CHECK(comes_true([&] { return !f.allows("a.example.com") && !f.holds("secret-1"); }));
  f.change([&] { f.status = grpc::Status::OK; });
  CHECK(comes_true([&] { return f.allows("a.example.com") && f.holds("secret-1"); }));
}

TEST_CASE(
    "gateway session: in Kubernetes a token that ended while the gateway was away is replaced") {
  const Secret first = fresh_token(3s), second = fresh_token();
  std::string proof;
  bool returned = false;
  Fixture f;
  REQUIRE(create_file(f.directory / "sa", "projected", 0640));
  f.settings.kubernetes_token_file = f.directory / "sa";
  f.gateway.issue = [&](const Call& call, auto& response) {
    proof = call.token;
    response.set_token(std::string((returned ? second : first).reveal()));
    return f.status;
  };
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    if (returned && call.token != second.reveal())
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "expired");
    return config(call, response);
  };
  const auto session = f.start(Secret());
  REQUIRE(session.has_value());
  f.change([&] { f.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "away"); });
  REQUIRE(comes_true([&] { return !f.allows("a.example.com"); }));
  REQUIRE(replace_file(f.directory / "sa", "rotated", 0640));
  f.change([&] { f.status = grpc::Status::OK, returned = true; });
  CHECK(comes_true([&] { return f.allows("a.example.com") && f.holds("secret-1"); }));
  CHECK((*session)->token()->bearer.equals(second.reveal()));
  const std::lock_guard lock(f.gateway.mutex);
  CHECK(proof == "rotated");
}

TEST_CASE("gateway session: a refused token or a deleted sandbox closes at once, and may return") {
  for (const auto code : {grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::NOT_FOUND,
                          grpc::StatusCode::PERMISSION_DENIED}) {
    CAPTURE(static_cast<int>(code));
    Fixture f;
    f.gateway.refresh = [&](const Call&, auto&) { return f.status; };
    const auto session = f.start();
    REQUIRE(session.has_value());
    f.change([&] { f.status = grpc::Status(code, "gone"); });
    CHECK(comes_true([&] { return !f.allows("a.example.com") && !f.holds("secret-1"); }));
    f.change([&] { f.status = grpc::Status::OK; });
    CHECK(comes_true([&] { return f.allows("a.example.com") && f.holds("secret-1"); }));
  }
}

TEST_CASE("gateway session: credentials that could not be fetched on return are asked for again") {
  Fixture f;
  f.gateway.refresh = [&](const Call&, auto&) { return f.status; };
  const auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] { f.status = grpc::Status(grpc::StatusCode::NOT_FOUND, "gone"); });
  REQUIRE(comes_true([&] { return !f.holds("secret-1"); }));
  f.change([&] { f.status = grpc::Status::OK, f.environment_failures = 1; });
  CHECK(comes_true([&] { return f.holds("secret-1"); }));
}

TEST_CASE("gateway session: a derived key goes when its time is over, also without the gateway") {
  const TimePoint now = system_time.now();
  Fixture f;
  f.gateway.environment = [&](const Call&, auto& response) {
    auto& given = *response.add_derived_key_credentials();
    given.mutable_binding()->set_credential_identity("work:derived_keys");
    given.mutable_binding()->add_endpoints()->set_host("s3.example.com");
    given.set_access_key_id("AKIA");
    for (const auto& [region, end] : {std::pair("eu-west-1", 3s), std::pair("us-east-1", 600s)}) {
      auto& key = *given.add_keys();
      key.set_date(amz_date(now).substr(0, 8));
      key.set_region(region);
      key.set_service("s3");
      key.set_key(std::string(32, 'k'));
      key.set_not_before_ms((now - 1s).time_since_epoch().count());
      key.set_not_after_ms((now + end).time_since_epoch().count());
    }
    response.set_provider_env_revision(f.environment_revision);
    return grpc::Status::OK;
  };
  const auto session = f.start();
  REQUIRE(session.has_value());
  CHECK((*session)->gives_placeholder());
  f.change([&] { f.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "away"); });
  const auto keys = [&] { return f.credentials.get()->aws.at(0).keys.derived_keys.size(); };
  CHECK(keys() == 2);
  CHECK(comes_true([&] { return keys() == 1; }));
  CHECK(system_time.now() >= now + 3s);
  CHECK(f.credentials.get()->aws[0].keys.derived_keys[0].scope.region == "us-east-1");
}

TEST_CASE("gateway session: a lost answer to a refresh strands nobody") {
  const Secret next = fresh_token();
  std::string first_id;
  Fixture f;
  f.gateway.refresh = [&](const Call& call, auto& response) {
    if (first_id.empty()) {
      first_id = call.refresh_id;  // the old token is dead from here on, and the answer is lost
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection lost");
    }
    if (call.refresh_id != first_id)
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "replaced");
    response.set_token(std::string(next.reveal()));
    return grpc::Status::OK;
  };
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    if (!first_id.empty() && call.token != next.reveal())
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "replaced");
    return config(call, response);
  };
  const auto session = f.start();
  REQUIRE(session.has_value());
  CHECK_FALSE((*session)->refresh().has_value());
  CHECK(comes_true([&] { return (*session)->token()->bearer.equals(next.reveal()); }));
  CHECK(f.allows("a.example.com"));
}

TEST_CASE("gateway session: a start after an end in the middle of a refresh repeats it first") {
  const Secret old = fresh_token(), next = fresh_token();
  std::string id;
  int refreshes = 0;
  Fixture f;
  const identity::TokenFile file(f.directory / "token");
  REQUIRE(file.write(*tests::held(old)));
  id = file.begin_refresh(*tests::held(old));  // ... and the gateway has ended the old token
  f.settings.token_file = f.directory / "token";
  const auto only_next = [&](const Call& call) {
    return call.token == next.reveal()
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "refreshed");
  };
  f.gateway.refresh = [&](const Call& call, auto& response) {
    if (++refreshes == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting");
    if (call.token != old.reveal() || call.refresh_id != id)
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "refreshed");
    response.set_token(std::string(next.reveal()));
    return grpc::Status::OK;
  };
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    const grpc::Status status = only_next(call);
    return status.ok() ? config(call, response) : status;
  };
  const auto session = f.start(Secret());
  REQUIRE(session.has_value());
  CHECK(f.allows("a.example.com"));
  CHECK(file.read().value()->bearer.equals(next.reveal()));
  CHECK_FALSE(file.has_pending_refresh(*tests::held(old)));
}

TEST_CASE("gateway session: start failures name the cause") {
  Fixture f;
  SUBCASE("the token is refused") {
    f.status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "revoked");
    const auto session = f.start();
    REQUIRE_FALSE(session.has_value());
    CHECK(session.error().code == Code::unauthenticated);
    CHECK(session.error().what.find("revoked") != std::string::npos);
  }
  SUBCASE("the token has expired") {
    const auto session = f.start(fresh_token(-1s));
    REQUIRE_FALSE(session.has_value());
    CHECK(session.error().what.find("expired") != std::string::npos);
  }
  SUBCASE("OPENSHELL_SANDBOX_ID names another") {
    f.settings.sandbox_id = "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa";
    const auto session = f.start();
    REQUIRE_FALSE(session.has_value());
    CHECK(session.error().what.find("OPENSHELL_SANDBOX_ID") != std::string::npos);
  }
  SUBCASE("the policy cannot be served") {
    f.protocol_override = "websocket";
    const auto session = f.start();
    REQUIRE_FALSE(session.has_value());
    CHECK(session.error().what.find("policy") != std::string::npos);
    const std::lock_guard lock(f.gateway.mutex);
    CHECK(f.gateway.reports.size() == 1);
  }
  CHECK(f.policy.get() == nullptr);
}

TEST_CASE("gateway session: a slow start is waited for") {
  std::atomic<int> calls{0};
  Fixture f;
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    if (++calls == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting");
    return config(call, response);
  };
  CHECK(f.start().has_value());
}

TEST_CASE("gateway session: its end does not wait for a gateway that hangs") {
  std::atomic<bool> hanging = false, released = false, gave_up = false;
  Fixture f;
  auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] {
    f.gateway.config = [&](const Call&, auto&) {
      hanging = true;
      for (int i = 0; i < 400 && !released; ++i) std::this_thread::sleep_for(20ms);
      gave_up = !released;
      return grpc::Status::OK;
    };
  });
  REQUIRE(comes_true([&] { return hanging.load(); }));
  session->reset();
  CHECK_FALSE(gave_up);  // it returned while the gateway still hung
  released = true;
}

TEST_CASE("gateway session: the control socket asks the session") {
  Fixture f;
  const auto session = f.start();
  REQUIRE(session.has_value());
  const auto shown =
      ask_supervisor(f.settings.control_socket, {DebugCommand::show_token, "", false});
  REQUIRE(shown.has_value());
  CHECK(*shown->text("fingerprint") == (*session)->token()->bearer.fingerprint());
}
