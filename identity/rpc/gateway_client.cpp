#include "identity/rpc/gateway_client.hpp"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <mutex>
#include <set>

#include "identity/rpc/gateway_channel.hpp"
#include "identity/rpc/provider_environment.hpp"
#include "identity/rpc/session.hpp"
#include "identity/rpc/status.hpp"
#include "proto/policy_wire.hpp"

namespace keyward::identity {
namespace {

using Stub = GatewayChannel::Stub;

constexpr std::chrono::seconds call_deadline{10}, farewell_deadline{3};
constexpr const char* refresh_id_metadata = "x-keyward-refresh-id";

class GrpcGatewayClient final : public GatewayClient {
 public:
  GrpcGatewayClient(std::string url, std::unique_ptr<GatewayChannel> channel, const TokenSlot& slot)
      : url_(std::move(url)), channel_(std::move(channel)), slot_(slot) {}

  RpcResult<SandboxConfig> get_sandbox_config(const std::string& sandbox_id) override {
    openshell::sandbox::v1::GetSandboxConfigRequest request;
    request.set_sandbox_id(sandbox_id);
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    TRY(call([&](Stub& stub, grpc::ClientContext* context) {
      return stub.GetSandboxConfig(context, request, &response);
    }));
    return config_of(response);
  }

  RpcResult<ProviderEnvironment> get_provider_environment(const std::string& sandbox_id) override {
    openshell::v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(sandbox_id);
    request.set_supports_static_credential_bindings(true);
    request.set_supports_extended_token_grants(true);
    request.set_supports_derived_keys(true);
    openshell::v1::GetSandboxProviderEnvironmentResponse response;
    TRY(call([&](Stub& stub, grpc::ClientContext* context) {
      return stub.GetSandboxProviderEnvironment(context, request, &response);
    }));
    return take_provider_environment(response);
  }

  RpcResult<UserToken> get_subject_token(const UserTokenName& name) override {
    openshell::v1::GetSandboxSubjectTokenRequest request;
    request.set_sandbox_id(name.sandbox_id);
    request.set_provider(name.provider);
    request.set_credential(name.credential);
    openshell::v1::GetSandboxSubjectTokenResponse response;
    TRY(call([&](Stub& stub, grpc::ClientContext* context) {
      return stub.GetSandboxSubjectToken(context, request, &response);
    }));
    UserToken user{Secret::take(*response.mutable_token()), std::nullopt};
    if (response.expires_at_ms() > 0)
      user.expires = TimePoint(std::chrono::milliseconds(response.expires_at_ms()));
    return user;
  }

  RpcResult<> report_policy_status(const PolicyReport& report) override {
    openshell::v1::ReportPolicyStatusRequest request;
    request.set_sandbox_id(report.sandbox_id);
    request.set_version(report.version);
    request.set_status(report.load_error.empty() ? openshell::v1::POLICY_STATUS_LOADED
                                                 : openshell::v1::POLICY_STATUS_FAILED);
    request.set_load_error(report.load_error);
    openshell::v1::ReportPolicyStatusResponse response;
    return call([&](Stub& stub, grpc::ClientContext* context) {
      return stub.ReportPolicyStatus(context, request, &response);
    });
  }

  RpcResult<> report_main_process_exit(const ExitReport& report,
                                       std::chrono::milliseconds within) override {
    openshell::v1::ReportMainProcessExitRequest request;
    request.set_sandbox_id(report.sandbox_id);
    request.set_instance_id(report.instance_id);
    request.set_exit_code(report.exit_code);
    openshell::v1::ReportMainProcessExitResponse response;
    const auto limit = std::chrono::system_clock::now() + within;
    return call([&](Stub& stub, grpc::ClientContext* context) {
      context->set_deadline(limit);
      return stub.ReportMainProcessExit(context, request, &response);
    });
  }

  RpcResult<> push_logs(const std::string& sandbox_id,
                        const std::vector<PushedLine>& lines) override {
    openshell::v1::PushSandboxLogsRequest batch;
    batch.set_sandbox_id(sandbox_id);
    for (const PushedLine& line : lines) {
      openshell::v1::SandboxLogLine& wire = *batch.add_logs();
      wire.set_sandbox_id(sandbox_id);
      wire.set_timestamp_ms(line.time.time_since_epoch().count());
      wire.set_level(line.level);
      wire.set_target("supervisor");
      wire.set_message(line.message);
      wire.set_source("sandbox");
      for (const auto& [name, value] : line.fields) (*wire.mutable_fields())[name] = value;
    }
    openshell::v1::PushSandboxLogsResponse response;
    const auto limit = std::chrono::system_clock::now() + farewell_deadline;
    return call([&](Stub& stub, grpc::ClientContext* context) {
      context->set_deadline(limit);
      const auto stream = stub.PushSandboxLogs(context, &response);
      stream->WriteLast(batch, {});
      return stream->Finish();
    });
  }

  RpcResult<> hold_session(const SessionHello& hello) override {
    return call([&](Stub& stub, grpc::ClientContext* context) {
      context->set_deadline(std::chrono::system_clock::time_point::max());
      return identity::hold_session(*stub.ConnectSupervisor(context), hello);
    });
  }

  void cancel() override {
    const std::lock_guard lock(calls_mutex_);
    cancelled_ = true;
    for (grpc::ClientContext* context : calls_) context->TryCancel();
  }

  RpcResult<RefreshedToken> refresh(const std::string& refresh_id) override {
    const openshell::v1::RefreshSandboxTokenRequest request;
    openshell::v1::RefreshSandboxTokenResponse response;
    TRY(call([&](Stub& stub, grpc::ClientContext* context) {
      context->AddMetadata(refresh_id_metadata, refresh_id);
      return stub.RefreshSandboxToken(context, request, &response);
    }));
    RefreshedToken refreshed;
    refreshed.token = Secret::take(*response.mutable_token());
    refreshed.expires = TimePoint(std::chrono::milliseconds(response.expires_at_ms()));
    return refreshed;
  }

  RpcResult<RefreshedToken> issue(const Secret& proof) override {
    const openshell::v1::IssueSandboxTokenRequest request;
    openshell::v1::IssueSandboxTokenResponse response;
    TRY(attempt(
        [&](Stub& stub, grpc::ClientContext* context) {
          return stub.IssueSandboxToken(context, request, &response);
        },
        proof));
    return RefreshedToken{Secret::take(*response.mutable_token()),
                          TimePoint(std::chrono::milliseconds(response.expires_at_ms()))};
  }

 private:
  // One attempt with the current token, and a second one where that token was replaced meanwhile.
  template <class Call>
  RpcResult<> call(const Call& one) {
    const auto token = slot_.get();
    RpcResult<> done = attempt(one, token->bearer);
    if (done || done.error().grpc_code != grpc_unauthenticated) return done;
    const auto current = slot_.get();
    return current == token ? done : attempt(one, current->bearer);
  }

  template <class Call>
  RpcResult<> attempt(const Call& one, const Secret& bearer) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + call_deadline);
    context.AddMetadata("authorization", "Bearer " + std::string(bearer.reveal()));
    const Registration registration(*this, context);
    const auto stub = channel_->stub();
    if (!stub) {
      cancel_others(context);  // they use what the agent has taken back
      return tl::unexpected(agent_rpc_error(stub.error(), url_));
    }
    const grpc::Status status = one(**stub, &context);
    if (!status.ok()) return tl::unexpected(rpc_error(status, url_));
    return {};
  }

  void cancel_others(const grpc::ClientContext& own) {
    const std::lock_guard lock(calls_mutex_);
    for (grpc::ClientContext* context : calls_)
      if (context != &own) context->TryCancel();
  }

  static SandboxConfig config_of(const openshell::sandbox::v1::GetSandboxConfigResponse& response) {
    SandboxConfig config;
    config.has_policy = response.has_policy();
    if (config.has_policy) {
      Result<netproxy::PolicyModel> policy = wire::from_wire(response.policy());
      if (policy)
        config.policy = std::move(*policy);
      else
        config.policy_problem = std::move(policy).error().what;
    }
    config.retain_last_valid = response.policy_validation_failure_mode() == "retain_last_valid";
    config.version = response.version();
    config.policy_hash = response.policy_hash();
    config.config_revision = response.config_revision();
    config.provider_env_revision = response.provider_env_revision();
    config.workspace = response.workspace();
    return config;
  }

  // Makes a call known to cancel() while it runs.
  class Registration {
   public:
    Registration(GrpcGatewayClient& client, grpc::ClientContext& context)
        : client_(client), context_(context) {
      const std::lock_guard lock(client_.calls_mutex_);
      client_.calls_.insert(&context_);
      if (client_.cancelled_) context_.TryCancel();
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() {
      const std::lock_guard lock(client_.calls_mutex_);
      client_.calls_.erase(&context_);
    }

   private:
    GrpcGatewayClient& client_;
    grpc::ClientContext& context_;
  };

  std::string url_;
  std::unique_ptr<GatewayChannel> channel_;
  const TokenSlot& slot_;
  std::mutex calls_mutex_;  // guards what follows
  std::set<grpc::ClientContext*> calls_;
  bool cancelled_ = false;
};

}  // namespace

Result<std::unique_ptr<GatewayClient>> GatewayClient::connect(const GatewayEndpoint& endpoint,
                                                              const TokenSlot& slot,
                                                              AgentTls agent) {
  TRY_ASSIGN(auto channel, GatewayChannel::create(endpoint, agent));
  return std::unique_ptr<GatewayClient>(
      std::make_unique<GrpcGatewayClient>(endpoint.url, std::move(channel), slot));
}

}  // namespace keyward::identity
