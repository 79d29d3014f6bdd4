#pragma once
// What the tests of streams share: a supervisor's session, and connections that are relayed.

#include <doctest/doctest.h>

#include <thread>

#include "users.hpp"

namespace keyward::gateway {

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
  grpc::StatusCode end() {
    stream->WritesDone();
    v1::GatewayMessage rest;
    while (stream->Read(&rest)) continue;
    return stream->Finish().error_code();
  }
};

inline v1::TcpForwardFrame to(const std::string& sandbox_id, const std::string& host,
                              std::uint32_t port) {
  v1::TcpForwardFrame init;
  init.mutable_init()->set_sandbox_id(sandbox_id);
  init.mutable_init()->mutable_tcp()->set_host(host);
  init.mutable_init()->mutable_tcp()->set_port(port);
  return init;
}

// A user's connection into sandbox a.
inline auto forward(UsersServer& gateway, grpc::ClientContext& context, const std::string& host,
                    std::uint32_t port) {
  prepare(context, "user");
  auto stream = gateway.stub->ForwardTcp(&context);
  stream->Write(to(gateway.a.id, host, port));
  return stream;
}

// A relayed connection that is open at both ends.
struct Relayed {
  grpc::ClientContext user_context, sandbox_context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TcpForwardFrame, v1::TcpForwardFrame>> user;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RelayFrame, v1::RelayFrame>> sandbox;

  Relayed(UsersServer& gateway, Session& session, const NewSandboxRow& row,
          const std::string& token) {
    prepare(user_context, "user");
    prepare(sandbox_context, token);
    for (auto* context : {&user_context, &sandbox_context})
      context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    user = gateway.stub->ForwardTcp(&user_context);
    user->Write(to(row.id, "127.0.0.1", 80));
    v1::RelayFrame init;
    init.mutable_init()->set_channel_id(session.read().relay_open().channel_id());
    sandbox = gateway.stub->RelayStream(&sandbox_context);
    sandbox->Write(init);
  }
  bool carries(const std::string& data) {
    v1::TcpForwardFrame sent;
    v1::RelayFrame received;
    sent.set_data(data);
    return user->Write(sent) && sandbox->Read(&received) && received.data() == data;
  }
};

template <class Ready>
bool wait_for(Ready ready) {
  for (int i = 0; i < 1000 && !ready(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return ready();
}

}  // namespace keyward::gateway
