// Sessions of supervisors, and watching, over real streams.
#include "streams.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;

TEST_CASE("streams: who is not known, or may not call, gets no stream") {
  UsersServer gateway;
  for (const auto& [bearer, code] : {std::pair{"", StatusCode::UNAUTHENTICATED},
                                     {"junk", StatusCode::UNAUTHENTICATED},
                                     {"admin", StatusCode::PERMISSION_DENIED}}) {
    CAPTURE(bearer);
    grpc::ClientContext log_context, session_context, relay_context;
    prepare(log_context, bearer);
    prepare(session_context, bearer);
    prepare(relay_context, bearer);
    v1::PushSandboxLogsResponse response;
    // Nothing is sent: the end must not wait for a first frame.
    CHECK(gateway.stub->PushSandboxLogs(&log_context, &response)->Finish().error_code() == code);
    CHECK(gateway.stub->ConnectSupervisor(&session_context)->Finish().error_code() == code);
    CHECK(gateway.stub->RelayStream(&relay_context)->Finish().error_code() == code);
  }
  grpc::ClientContext context;
  prepare(context, gateway.token(gateway.a));
  CHECK(gateway.stub->ForwardTcp(&context)->Finish().error_code() == StatusCode::PERMISSION_DENIED);
  grpc::ClientContext nameless;
  prepare(nameless, gateway.token(gateway.a));
  v1::PushSandboxLogsResponse response;
  const auto logs = gateway.stub->PushSandboxLogs(&nameless, &response);
  for (int i = 0; i < 20; ++i) logs->Write(v1::PushSandboxLogsRequest());
  CHECK(logs->Finish().error_code() == StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("session: one supervisor for each sandbox, about itself") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  {
    Session foreign(gateway, token);
    CHECK_FALSE(foreign.hello(gateway.b.id, "i").has_session_accepted());
    CHECK(foreign.end() == StatusCode::PERMISSION_DENIED);
    Session user(gateway, "admin");
    user.hello(gateway.a.id, "i");
    CHECK(user.end() == StatusCode::PERMISSION_DENIED);
    Session silent(gateway, token);
    CHECK(silent.end() == StatusCode::INVALID_ARGUMENT);
    Session rude(gateway, token);
    v1::SupervisorMessage heartbeat;
    heartbeat.mutable_heartbeat();
    rude.stream->Write(heartbeat);
    CHECK(rude.end() == StatusCode::INVALID_ARGUMENT);
  }
  Session first(gateway, token);
  const auto accepted = first.hello(gateway.a.id, "one");
  REQUIRE(accepted.has_session_accepted());
  CHECK(accepted.session_accepted().heartbeat_interval_secs() == 15);
  v1::SupervisorMessage heartbeat;
  heartbeat.mutable_heartbeat();
  first.stream->Write(heartbeat);
  CHECK(first.read().has_heartbeat());
  v1::GetSandboxRequest get;
  get.set_name("a");
  CHECK(gateway.call(&v1::OpenShell::Stub::GetSandbox, "user", get)
            .second.sandbox()
            .status()
            .phase() == v1::SANDBOX_PHASE_READY);

  // Whoever stole the token does not get the genuine one's relays.
  Session thief(gateway, token);
  CHECK(thief.hello(gateway.a.id, "two").has_session_rejected());
  CHECK(thief.end() == StatusCode::OK);
  Session again(gateway, token);
  CHECK(again.hello(gateway.a.id, "one").has_session_accepted());
  CHECK(first.end() == StatusCode::ABORTED);
  CHECK(gateway.sessions.instance_of(gateway.a.id) == "one");
  CHECK(again.end() == StatusCode::OK);
  CHECK(wait_for([&] { return !gateway.sessions.instance_of(gateway.a.id); }));
}

TEST_CASE("session: ends soon after its token does") {
  UsersServer gateway;
  Session deleted(gateway, gateway.token(gateway.a));
  REQUIRE(deleted.hello(gateway.a.id, "i").has_session_accepted());
  REQUIRE(gateway.store->delete_sandbox("a"));
  CHECK_FALSE(deleted.stream->Read(std::make_unique<v1::GatewayMessage>().get()));
  CHECK(deleted.stream->Finish().error_code() == StatusCode::ABORTED);
}

TEST_CASE("session: ends with its token, and what was asked meanwhile is asked again") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  Session session(gateway, token);
  REQUIRE(session.hello(gateway.a.id, "i").has_session_accepted());
  const auto [status, next] = refresh(*gateway.stub, token, "r-1");
  REQUIRE(status.ok());
  const auto asked = gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""});
  REQUIRE(asked);
  CHECK(session.read().relay_open().channel_id() == asked->channel_id);
  // Whoever stole the old token has nothing more of it, whatever is open.
  v1::SupervisorMessage heartbeat;
  heartbeat.mutable_heartbeat();
  session.stream->Write(heartbeat);
  CHECK(session.end() == StatusCode::ABORTED);
  Session thief(gateway, token);
  thief.hello(gateway.a.id, "i");
  CHECK(thief.end() == StatusCode::UNAUTHENTICATED);
  Session again(gateway, next);
  REQUIRE(again.hello(gateway.a.id, "i").has_session_accepted());
  CHECK(again.read().relay_open().channel_id() == asked->channel_id);
  for (std::size_t i = 1; i < SessionBook::relays_of_sandbox_limit; ++i)
    CHECK(gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""}));
  CHECK(gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""}).error().code ==
        Code::exhausted);
  again.end();
}

TEST_CASE("session: one question for each relay, after the acceptance, whenever it was asked for") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  for (int round = 0; round < 20; ++round) {
    Session session(gateway, token);
    std::set<std::string> asked;
    const std::jthread user([&] {
      while (asked.size() < 3) {
        const auto made = gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""});
        if (made) asked.insert(made->channel_id);
      }
    });
    REQUIRE(session.hello(gateway.a.id, "i").has_session_accepted());
    std::set<std::string> seen;
    for (int i = 0; i < 3; ++i) seen.insert(session.read().relay_open().channel_id());
    CHECK(seen.size() == 3);
    v1::SupervisorMessage heartbeat;
    heartbeat.mutable_heartbeat();
    session.stream->Write(heartbeat);
    CHECK(session.read().has_heartbeat());  // and not one of them again
    for (const std::string& channel : seen) gateway.sessions.drop(channel, gateway.a.id, "");
    CHECK(session.end() == StatusCode::OK);
    REQUIRE(wait_for([&] { return !gateway.sessions.instance_of(gateway.a.id); }));
  }
}

TEST_CASE("watch: states and lines as they come, and the end") {
  UsersServer gateway;
  gateway.logs.add(gateway.a.id, {{0, gateway.clock.now(), "info", "", "old", {}}});
  v1::WatchSandboxRequest request;
  request.set_id(gateway.a.id);
  request.set_follow_status(true);
  request.set_follow_logs(true);
  request.set_stop_on_terminal(true);
  request.set_log_min_level("info");
  grpc::ClientContext context;
  prepare(context, "user");
  auto stream = gateway.stub->WatchSandbox(&context, request);
  v1::SandboxStreamEvent event;
  REQUIRE(stream->Read(&event));
  CHECK(event.sandbox().status().phase() == v1::SANDBOX_PHASE_PROVISIONING);
  gateway.logs.add(gateway.a.id, {{0, gateway.clock.now(), "debug", "", "hidden", {}},
                                  {0, gateway.clock.now(), "warn", "", "new", {}}});
  REQUIRE(stream->Read(&event));
  CHECK(event.log().message() == "new");
  REQUIRE(gateway.store->set_exit(gateway.a.id, {"i", 3, gateway.clock.now()}));
  REQUIRE(stream->Read(&event));
  CHECK(event.sandbox().status().exit_code() == 3);
  CHECK_FALSE(stream->Read(&event));
  CHECK(stream->Finish().ok());

  for (const auto& [bearer, id, code] :
       {std::tuple{"user", std::string("nobody"), StatusCode::NOT_FOUND},
        std::tuple{"", gateway.a.id, StatusCode::UNAUTHENTICATED}}) {
    grpc::ClientContext other;
    prepare(other, bearer);
    request.set_id(id);
    auto refused = gateway.stub->WatchSandbox(&other, request);
    CHECK_FALSE(refused->Read(&event));
    CHECK(refused->Finish().error_code() == code);
  }
  grpc::ClientContext other;
  prepare(other, gateway.token(gateway.a));
  request.set_id(gateway.a.id);
  CHECK(gateway.stub->WatchSandbox(&other, request)->Finish().error_code() ==
        StatusCode::PERMISSION_DENIED);
}
