// Sessions of supervisors, relayed connections, and watching, over real streams.
#include <doctest/doctest.h>

#include <thread>

#include "gateway/rpc/relay.hpp"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;

namespace {

// One supervisor's session.
struct Session {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SupervisorMessage, v1::GatewayMessage>> stream;

  Session(UsersServer& gateway, const std::string& token) {
    prepare(context, token);
    stream = gateway.stub->ConnectSupervisor(&context);
  }
  v1::GatewayMessage hello(const std::string& sandbox_id, const std::string& instance) {
    v1::SupervisorMessage message;
    message.mutable_hello()->set_sandbox_id(sandbox_id);
    message.mutable_hello()->set_instance_id(instance);
    stream->Write(message);
    return read();
  }
  v1::GatewayMessage read() {
    v1::GatewayMessage answer;
    if (!stream->Read(&answer)) answer.Clear();
    return answer;
  }
  StatusCode end() {
    stream->WritesDone();
    v1::GatewayMessage rest;
    while (stream->Read(&rest)) continue;
    return stream->Finish().error_code();
  }
};

// A user's connection into sandbox a.
auto forward(UsersServer& gateway, grpc::ClientContext& context, const std::string& host,
             std::uint32_t port) {
  prepare(context, "user");
  auto stream = gateway.stub->ForwardTcp(&context);
  v1::TcpForwardFrame init;
  init.mutable_init()->set_sandbox_id(gateway.a.id);
  init.mutable_init()->mutable_tcp()->set_host(host);
  init.mutable_init()->mutable_tcp()->set_port(port);
  stream->Write(init);
  return stream;
}

template <class Ready>
bool wait_for(Ready ready) {
  for (int i = 0; i < 1000 && !ready(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return ready();
}

}  // namespace

TEST_CASE("relay: bytes wait for their reader, and the end comes after them") {
  Relay relay;
  int woken = 0;
  relay.attach(Relay::Side::user, [&] { ++woken; });
  CHECK_FALSE(relay.is_whole());
  relay.attach(Relay::Side::sandbox, [] {});
  CHECK(relay.is_whole());
  relay.write(Relay::Side::sandbox, std::string(Relay::queue_limit, 'x'));
  CHECK_FALSE(relay.has_room(Relay::Side::sandbox));
  CHECK(relay.has_room(Relay::Side::user));
  relay.end(Relay::Side::sandbox);
  CHECK_FALSE(relay.is_half_over(Relay::Side::user));
  CHECK(relay.read(Relay::Side::user)->size() == Relay::queue_limit);
  CHECK_FALSE(relay.read(Relay::Side::user));
  CHECK(relay.is_half_over(Relay::Side::user));
  CHECK_FALSE(relay.is_over(Relay::Side::user));  // it may still send
  relay.end(Relay::Side::user);
  CHECK(relay.is_over(Relay::Side::user)->empty());
  CHECK(relay.is_over(Relay::Side::sandbox)->empty());
  // Frames without data cost something too.
  Relay small;
  for (std::size_t i = 0; i < Relay::queue_limit / Relay::frame_cost; ++i)
    small.write(Relay::Side::user, "");
  CHECK_FALSE(small.has_room(Relay::Side::user));
  Relay left;
  left.write(Relay::Side::user, "x");
  left.leave(Relay::Side::user);
  CHECK_FALSE(left.is_over(Relay::Side::sandbox));
  CHECK(left.read(Relay::Side::sandbox) == "x");
  CHECK(left.is_over(Relay::Side::sandbox));
  CHECK(woken >= 3);
  relay.fail_with("gone");
  CHECK(*relay.is_over(Relay::Side::sandbox) == "gone");
}

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

TEST_CASE("session: goes on over a refresh, and what was asked meanwhile is asked again") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  Session session(gateway, token);
  REQUIRE(session.hello(gateway.a.id, "i").has_session_accepted());
  const auto [status, next] = refresh(*gateway.stub, token, "r-1");
  REQUIRE(status.ok());
  v1::SupervisorMessage heartbeat;
  heartbeat.mutable_heartbeat();
  session.stream->Write(heartbeat);
  CHECK(session.read().has_heartbeat());
  REQUIRE(get_config(*gateway.stub, next, gateway.a.id).ok());  // no repeat from now on
  session.stream->Write(heartbeat);
  CHECK(session.read().has_heartbeat());
  const auto asked = gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""});
  REQUIRE(asked);
  CHECK(session.read().relay_open().channel_id() == asked->channel_id);
  Session again(gateway, next);
  REQUIRE(again.hello(gateway.a.id, "i").has_session_accepted());
  CHECK(again.read().relay_open().channel_id() == asked->channel_id);
  for (std::size_t i = 1; i < SessionBook::relays_of_sandbox_limit; ++i)
    CHECK(gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""}));
  CHECK(gateway.sessions.request(gateway.a.id, {"127.0.0.1", 80, ""}).error().code ==
        Code::exhausted);
  session.end();
  again.end();
}

TEST_CASE("relays: a user's connection reaches the sandbox's supervisor, and no other") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  {
    grpc::ClientContext context;
    CHECK(forward(gateway, context, "127.0.0.1", 80)->Finish().error_code() ==
          StatusCode::UNAVAILABLE);  // no session
  }
  Session session(gateway, token);
  REQUIRE(session.hello(gateway.a.id, "i").has_session_accepted());
  {
    grpc::ClientContext context;
    CHECK(forward(gateway, context, "169.254.169.254", 80)->Finish().error_code() ==
          StatusCode::INVALID_ARGUMENT);
  }
  grpc::ClientContext user_context;
  auto user = forward(gateway, user_context, "127.0.0.1", 8080);
  const auto open = session.read();
  REQUIRE(open.has_relay_open());
  CHECK(open.relay_open().tcp().port() == 8080);

  v1::RelayFrame init;
  init.mutable_init()->set_channel_id(open.relay_open().channel_id());
  const auto join = [&](grpc::ClientContext& context, const std::string& bearer) {
    prepare(context, bearer);
    auto stream = gateway.stub->RelayStream(&context);
    stream->Write(init);
    return stream;
  };
  {
    grpc::ClientContext context;
    const auto status = join(context, gateway.token(gateway.b))->Finish();
    CHECK(status.error_code() == StatusCode::NOT_FOUND);
    CHECK(status.error_message() == "unknown or expired relay channel");
  }
  grpc::ClientContext relay_context;
  auto relay = join(relay_context, token);
  v1::TcpForwardFrame to_sandbox, from_sandbox;
  v1::RelayFrame received, sent;
  to_sandbox.set_data("hello");
  REQUIRE(user->Write(to_sandbox));
  REQUIRE(relay->Read(&received));
  CHECK(received.data() == "hello");
  // More than a queue holds, in both directions at once.
  constexpr int frames = 64;
  sent.set_data(std::string(16'384, 's'));
  std::thread writer([&] {
    for (int i = 0; i < frames; ++i) relay->Write(sent);
    relay->WritesDone();
  });
  std::size_t bytes = 0;
  while (user->Read(&from_sandbox)) bytes += from_sandbox.data().size();
  writer.join();
  CHECK(bytes == frames * sent.data().size());
  CHECK(user->Finish().ok());
  grpc::ClientContext late;
  CHECK(join(late, token)->Finish().error_code() == StatusCode::NOT_FOUND);  // once only
  CHECK(session.end() == StatusCode::OK);
}

TEST_CASE("relays: a target that the supervisor cannot reach") {
  UsersServer gateway;
  Session session(gateway, gateway.token(gateway.a));
  REQUIRE(session.hello(gateway.a.id, "i").has_session_accepted());
  grpc::ClientContext context;
  auto refused = forward(gateway, context, "localhost", 1);
  const auto open = session.read();
  REQUIRE(open.has_relay_open());
  v1::SupervisorMessage result;
  result.mutable_relay_open_result()->set_channel_id(open.relay_open().channel_id());
  session.stream->Write(result);
  CHECK(refused->Finish().error_code() == StatusCode::UNAVAILABLE);
  CHECK(session.end() == StatusCode::OK);
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
