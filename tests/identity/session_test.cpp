// A supervisor's session, against a gateway that does what the case says.
#include <mutex>
#include <thread>
#include <vector>

#include "identity/rpc/gateway_client.hpp"
#include "tests/support/fake_gateway.hpp"

using namespace keyward;
using namespace keyward::identity;
using tests::FakeGateway;
using tests::fresh_token;
using tests::held;

namespace {

namespace v1 = openshell::v1;
using Stream = FakeGateway::Session;

struct Sessions {
  FakeGateway gateway;
  TokenSlot slot{held(fresh_token())};
  std::unique_ptr<GatewayClient> client =
      *GatewayClient::connect({gateway.url(), "", "", "", ""}, slot);

  RpcResult<> hold() { return client->hold_session({tests::sandbox_id, "instance"}); }
};

void accept(Stream& stream) {
  v1::GatewayMessage message;
  message.mutable_session_accepted()->set_heartbeat_interval_secs(0);  // not taken literally
  stream.Write(message);
}

}  // namespace

TEST_CASE("session: hello, heartbeats, and relays are refused") {
  Sessions sessions;
  std::mutex mutex;
  std::vector<v1::SupervisorMessage> seen;
  const auto read = [&](Stream& stream) {
    v1::SupervisorMessage message;
    if (!stream.Read(&message)) return;
    const std::lock_guard lock(mutex);
    seen.push_back(std::move(message));
  };
  sessions.gateway.session = [&](Stream& stream) {
    read(stream);
    accept(stream);
    v1::GatewayMessage open;
    open.mutable_relay_open()->set_channel_id("c-1");
    open.mutable_relay_open()->mutable_tcp()->set_port(80);
    stream.Write(open);
    read(stream);
    read(stream);  // a heartbeat, after five seconds, the shortest interval
    return grpc::Status::OK;
  };
  CHECK(sessions.hold());
  const std::lock_guard lock(mutex);
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].hello().sandbox_id() == tests::sandbox_id);
  CHECK(seen[0].hello().instance_id() == "instance");
  CHECK(seen[1].relay_open_result().channel_id() == "c-1");
  CHECK_FALSE(seen[1].relay_open_result().success());
  CHECK(seen[2].has_heartbeat());
}

TEST_CASE("session: what a gateway may answer instead") {
  struct {
    const char* what;
    std::function<grpc::Status(Stream&)> answer;
    int code;
  } const cases[] = {
      {"unimplemented", [](Stream&) { return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no"); },
       grpc_unimplemented},
      {"rejected",
       [](Stream& stream) {
         v1::GatewayMessage message;
         message.mutable_session_rejected()->set_reason("another one");
         stream.Write(message);
         return grpc::Status::OK;
       },
       9},
      {"nonsense",
       [](Stream& stream) {
         stream.Write(v1::GatewayMessage());
         return grpc::Status::OK;
       },
       9},
      {"ended later",
       [](Stream& stream) {
         accept(stream);
         return grpc::Status(grpc::StatusCode::ABORTED, "anew, please");
       },
       grpc_aborted}};
  for (const auto& c : cases) {
    CAPTURE(c.what);
    Sessions sessions;
    sessions.gateway.session = c.answer;
    const auto ended = sessions.hold();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().grpc_code == c.code);
  }
}

TEST_CASE("session: ends with the client") {
  Sessions sessions;
  sessions.gateway.session = [](Stream& stream) {
    accept(stream);
    v1::SupervisorMessage message;
    while (stream.Read(&message)) continue;
    return grpc::Status::OK;
  };
  const std::jthread end([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    sessions.client->cancel();
  });
  const auto ended = sessions.hold();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().grpc_code == grpc_cancelled);
}
