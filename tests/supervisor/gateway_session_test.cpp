// The session against a fake gateway on loopback: start, changes, loss and return.
#include <atomic>

#include "base/file.hpp"
#include "session_fixture.hpp"

using namespace keyward;
using namespace keyward::supervisor;

TEST_CASE("gateway session: start gives policy, credentials and configuration") {
  SessionFixture f;
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
  SessionFixture f;
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
    SessionFixture f;
    if (retain) f.failure_mode = "retain_last_valid";
    const auto session = f.start();
    REQUIRE(session.has_value());
    f.change([&] { f.protocol_override = "websocket", f.config_revision = 2; });
    REQUIRE(comes_true([&] {
      const std::lock_guard lock(f.gateway.mutex);
      return f.gateway.reports.size() >= 2;
    }));
    CHECK(f.allows("a.example.com") == retain);
    CHECK(f.closed_for().empty() == retain);
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
  SessionFixture f;
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
  SessionFixture f;
  const auto session = f.start(fresh_token(3s));
  REQUIRE(session.has_value());
  f.change([&] { f.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "away"); });
  CHECK(comes_true([&] { return !f.allows("a.example.com") && !f.holds("secret-1"); }));
  CHECK(f.closed_for().find("the sandbox's token has expired") != std::string::npos);
  f.change([&] { f.status = grpc::Status::OK; });
  CHECK(comes_true([&] { return f.allows("a.example.com") && f.holds("secret-1"); }));
}

TEST_CASE(
    "gateway session: in Kubernetes a token that ended while the gateway was away is replaced") {
  const Secret first = fresh_token(3s), second = fresh_token();
  std::string proof;
  bool returned = false;
  SessionFixture f;
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
    SessionFixture f;
    f.gateway.refresh = [&](const Call&, auto&) { return f.status; };
    const auto session = f.start();
    REQUIRE(session.has_value());
    f.change([&] { f.status = grpc::Status(code, "gone: <said by the gateway>"); });
    CHECK(comes_true([&] { return !f.allows("a.example.com") && !f.holds("secret-1"); }));
    const std::string reason = f.closed_for();
    CHECK(reason.starts_with("the gateway's authority is lost: it "));
    CHECK(reason.find("gone") == std::string::npos);  // nothing foreign
    f.change([&] { f.status = grpc::Status::OK; });
    CHECK(comes_true([&] { return f.allows("a.example.com") && f.holds("secret-1"); }));
  }
}

TEST_CASE("gateway session: credentials that could not be fetched on return are asked for again") {
  SessionFixture f;
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
  SessionFixture f;
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
  SessionFixture f;
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

TEST_CASE("gateway session: start failures name the cause") {
  SessionFixture f;
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
  SessionFixture f;
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    if (++calls == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting");
    return config(call, response);
  };
  CHECK(f.start().has_value());
}

TEST_CASE("gateway session: its end does not wait for a gateway that hangs") {
  std::atomic<bool> hanging = false, released = false, gave_up = false;
  SessionFixture f;
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
  SessionFixture f;
  const auto session = f.start();
  REQUIRE(session.has_value());
  const auto shown =
      ask_supervisor(f.settings.control_socket, {DebugCommand::show_token, "", false});
  REQUIRE(shown.has_value());
  CHECK(*shown->text("fingerprint") == (*session)->token()->bearer.fingerprint());
}
