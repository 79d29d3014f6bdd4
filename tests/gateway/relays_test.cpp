// Relayed connections: the queues between the two ends, and over real streams.
#include <doctest/doctest.h>

#include "gateway/rpc/relay.hpp"
#include "streams.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;

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

TEST_CASE("relays: a user's connection reaches the sandbox's supervisor, and no other") {
  UsersServer gateway;
  const std::string token = gateway.token(gateway.a);
  {
    grpc::ClientContext context;
    const auto status = forward(gateway, context, "127.0.0.1", 80)->Finish();
    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK(status.error_message() == "supervisor session not connected");
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

TEST_CASE("relays: go on over a refresh with the session that took them, and end without it") {
  UsersServer gateway;
  const std::string kept_token = gateway.token(gateway.a), stolen = gateway.token(gateway.b);
  Session first(gateway, kept_token), thief(gateway, stolen);
  REQUIRE(first.hello(gateway.a.id, "i").has_session_accepted());
  REQUIRE(thief.hello(gateway.b.id, "thief").has_session_accepted());
  Relayed kept(gateway, first, gateway.a, kept_token), taken(gateway, thief, gateway.b, stolen);
  REQUIRE(kept.carries("before"));
  REQUIRE(taken.carries("before"));
  const std::string next = refresh(*gateway.stub, kept_token, "r-1").second;
  REQUIRE(refresh(*gateway.stub, stolen, "r-1").first.ok());
  Session again(gateway, next);
  REQUIRE(again.hello(gateway.a.id, "i").has_session_accepted());
  v1::RelayFrame frame;
  CHECK_FALSE(taken.sandbox->Read(&frame));
  CHECK(taken.sandbox->Finish().error_code() == StatusCode::ABORTED);
  CHECK(kept.carries("after"));
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
  const auto status = refused->Finish();
  CHECK(status.error_code() == StatusCode::UNAVAILABLE);
  CHECK(status.error_message() == "the supervisor cannot reach the target");
  CHECK(session.end() == StatusCode::OK);
}
