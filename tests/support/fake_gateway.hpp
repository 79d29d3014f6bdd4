#pragma once
// A gateway that does what a test says: the wire's service over a real port of loopback.

#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/token/source.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::tests {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;

inline const std::string sandbox_id = "6f0f5a1c-6a4e-4a63-9b8a-0d3f8c1e2b47";

inline Secret fresh_token(std::chrono::seconds life = std::chrono::seconds(3600),
                          const std::string& id = sandbox_id) {
  static const identity::SigningKey key = identity::generate_signing_key();
  const TimePoint now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return identity::mint_sandbox_token(
             key, {id, identity::issuer_of("test"), random_uuid(), now, now + life})
      .value()
      .clone();
}
inline std::shared_ptr<const identity::Token> held(const Secret& bearer) {
  return identity::parse_token(bearer.clone(), "test").value();
}

// What a call brought along.
struct Call {
  std::string token, refresh_id;
  std::string certificate;  // the common name of the client's; empty without one
};

struct FakeGateway final : v1::OpenShell::Service {
  // Set before the calls that use them; answers are made under `mutex`.
  std::mutex mutex;
  std::function<grpc::Status(const Call&, sandbox_v1::GetSandboxConfigResponse&)> config =
      [](const Call&, auto&) { return grpc::Status::OK; };
  std::function<grpc::Status(const Call&, v1::GetSandboxProviderEnvironmentResponse&)> environment =
      [](const Call&, auto&) { return grpc::Status::OK; };
  std::function<grpc::Status(const v1::GetSandboxSubjectTokenRequest&,
                             v1::GetSandboxSubjectTokenResponse&)>
      subject = [](const auto&, auto&) {
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such grant");
      };
  std::function<grpc::Status(const Call&, v1::RefreshSandboxTokenResponse&)> refresh =
      [](const Call&, auto&) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now"); };
  std::function<grpc::Status(const Call&, v1::IssueSandboxTokenResponse&)> issue =
      [](const Call&, auto&) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now"); };
  using Session = grpc::ServerReaderWriter<v1::GatewayMessage, v1::SupervisorMessage>;
  std::function<grpc::Status(Session&)> session = [](Session&) {
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no sessions");
  };
  std::vector<v1::ReportPolicyStatusRequest> reports;  // those that were taken
  std::function<grpc::Status(const v1::ReportPolicyStatusRequest&)> report = [](const auto&) {
    return grpc::Status::OK;
  };
  std::function<grpc::Status(const v1::ReportMainProcessExitRequest&)> exit = [](const auto&) {
    return grpc::Status::OK;
  };

  explicit FakeGateway(const std::shared_ptr<grpc::ServerCredentials>& credentials =
                           grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(this);
    server = builder.BuildAndStart();
    REQUIRE(server != nullptr);
    REQUIRE(port != 0);
  }
  ~FakeGateway() override { server->Shutdown(std::chrono::system_clock::now()); }
  std::string url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port);
  }

  static Call call_of(const grpc::ServerContext& context) {
    Call call;
    for (const auto& [name, value] : context.client_metadata()) {
      const std::string text(value.data(), value.size());
      if (name == "authorization")
        call.token = text.substr(0, 7) == "Bearer " ? text.substr(7) : "";
      if (name == "x-keyward-refresh-id") call.refresh_id = text;
    }
    for (const grpc::string_ref name :
         context.auth_context()->FindPropertyValues("x509_common_name"))
      call.certificate.assign(name.data(), name.size());
    return call;
  }

  grpc::Status GetSandboxConfig(grpc::ServerContext* context,
                                const sandbox_v1::GetSandboxConfigRequest*,
                                sandbox_v1::GetSandboxConfigResponse* response) override {
    const std::lock_guard lock(mutex);
    return config(call_of(*context), *response);
  }
  grpc::Status GetSandboxProviderEnvironment(
      grpc::ServerContext* context, const v1::GetSandboxProviderEnvironmentRequest* request,
      v1::GetSandboxProviderEnvironmentResponse* response) override {
    const std::lock_guard lock(mutex);
    if (!request->supports_static_credential_bindings()) return grpc::Status::OK;  // as OpenShell's
    return environment(call_of(*context), *response);
  }
  grpc::Status GetSandboxSubjectToken(grpc::ServerContext*,
                                      const v1::GetSandboxSubjectTokenRequest* request,
                                      v1::GetSandboxSubjectTokenResponse* response) override {
    const std::lock_guard lock(mutex);
    return subject(*request, *response);
  }
  grpc::Status RefreshSandboxToken(grpc::ServerContext* context,
                                   const v1::RefreshSandboxTokenRequest*,
                                   v1::RefreshSandboxTokenResponse* response) override {
    const std::lock_guard lock(mutex);
    return refresh(call_of(*context), *response);
  }
  grpc::Status IssueSandboxToken(grpc::ServerContext* context, const v1::IssueSandboxTokenRequest*,
                                 v1::IssueSandboxTokenResponse* response) override {
    const std::lock_guard lock(mutex);
    return issue(call_of(*context), *response);
  }
  grpc::Status ReportPolicyStatus(grpc::ServerContext*,
                                  const v1::ReportPolicyStatusRequest* request,
                                  v1::ReportPolicyStatusResponse*) override {
    const std::lock_guard lock(mutex);
    const grpc::Status status = report(*request);
    if (status.ok()) reports.push_back(*request);
    return status;
  }
  grpc::Status ReportMainProcessExit(grpc::ServerContext*,
                                     const v1::ReportMainProcessExitRequest* request,
                                     v1::ReportMainProcessExitResponse*) override {
    const std::lock_guard lock(mutex);
    return exit(*request);
  }

  grpc::Status ConnectSupervisor(grpc::ServerContext*, Session* stream) override {
    return session(*stream);  // without the lock: it lasts
  }

  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

}  // namespace keyward::tests
