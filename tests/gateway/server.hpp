#pragma once
// The sandboxes' server over real sockets, in this process, and a client's calls.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "gateway/rpc/server.hpp"
#include "openshell.grpc.pb.h"
#include "support.hpp"

namespace keyward::gateway {

namespace v1 = openshell::v1;

struct TestServer : TestGateway {
  ServiceDeps deps{*store, issuer, authenticators, *audit, clock, metrics, limits, logs, sessions};
  std::unique_ptr<RunningServer> server;

  explicit TestServer(std::shared_ptr<LiveTls> tls = nullptr) {
    SandboxServerSettings settings{"127.0.0.1:0", std::move(tls), std::chrono::milliseconds(20)};
    auto started = start_sandbox_server(settings, deps);
    REQUIRE(started);
    server = std::move(*started);
  }
  std::unique_ptr<v1::OpenShell::Stub> plain() const {
    return v1::OpenShell::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                                      grpc::InsecureChannelCredentials()));
  }
};

inline void prepare(grpc::ClientContext& context, const std::string& token) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
}

inline grpc::Status get_config(
    v1::OpenShell::Stub& stub, const std::string& token, const std::string& id,
    openshell::sandbox::v1::GetSandboxConfigResponse* response = nullptr) {
  grpc::ClientContext context;
  prepare(context, token);
  openshell::sandbox::v1::GetSandboxConfigRequest request;
  request.set_sandbox_id(id);
  openshell::sandbox::v1::GetSandboxConfigResponse unused;
  return stub.GetSandboxConfig(&context, request, response == nullptr ? &unused : response);
}

inline std::pair<grpc::Status, std::string> refresh(v1::OpenShell::Stub& stub,
                                                    const std::string& token,
                                                    const std::string& refresh_id) {
  grpc::ClientContext context;
  prepare(context, token);
  if (!refresh_id.empty()) context.AddMetadata("x-keyward-refresh-id", refresh_id);
  v1::RefreshSandboxTokenResponse response;
  const grpc::Status status =
      stub.RefreshSandboxToken(&context, v1::RefreshSandboxTokenRequest(), &response);
  return {status, response.token()};
}

// A call whose messages are given as bytes: for services that have no stub here, and for all
// methods alike.
inline std::pair<grpc::Status, std::string> raw_call(int port, const std::string& method,
                                                     const std::string& request,
                                                     const std::string& token = "") {
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  prepare(context, token);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer bytes(&slice, 1);
  const auto reader = stub.PrepareUnaryCall(&context, method, bytes, &queue);
  reader->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  std::vector<grpc::Slice> slices;
  std::string text;
  if (status.ok() && response.Dump(&slices).ok())
    for (const grpc::Slice& part : slices)
      text.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return {status, text};
}

}  // namespace keyward::gateway
