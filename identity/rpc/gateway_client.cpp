#include "identity/rpc/gateway_client.hpp"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>

#include "base/environment.hpp"
#include "identity/rpc/channel_driver.hpp"
#include "identity/rpc/provider_environment.hpp"
#include "identity/rpc/status.hpp"
#include "openshell.grpc.pb.h"
#include "proto/policy_wire.hpp"

namespace keyward::identity {
namespace {

using Stub = openshell::v1::OpenShell::Stub;

constexpr std::chrono::seconds call_deadline{10}, farewell_deadline{3};
constexpr const char* refresh_id_metadata = "x-keyward-refresh-id";

// gRPC would obey variables that an image can set: GRPC_TRACE prints headers, and with them the
// token.
void forget_library_variables() {
  for (const auto& [name, value] : environment_map())
    if (name.starts_with("GRPC_") || name.starts_with("grpc_")) ::unsetenv(name.c_str());
}

grpc::ChannelArguments channel_arguments(const GatewayEndpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 500);
  // What one attempt may take, in spite of its name; the pause between two is set beside it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetUserAgentPrefix("keyward/" KEYWARD_VERSION);
  if (!endpoint.server_name.empty()) arguments.SetSslTargetNameOverride(endpoint.server_name);
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const GatewayEndpoint& endpoint,
                                                              bool tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({endpoint.ca_pem, endpoint.client_key_pem, endpoint.client_cert_pem});
}

class GrpcGatewayClient final : public GatewayClient {
 public:
  GrpcGatewayClient(std::string url, const std::shared_ptr<grpc::Channel>& channel,
                    const TokenSlot& slot)
      : url_(std::move(url)),
        stub_(openshell::v1::OpenShell::NewStub(channel)),
        slot_(slot),
        driver_(channel) {}

  RpcResult<SandboxConfig> get_sandbox_config(const std::string& sandbox_id) override {
    openshell::sandbox::v1::GetSandboxConfigRequest request;
    request.set_sandbox_id(sandbox_id);
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    TRY(call([&](grpc::ClientContext* context) {
      return stub_->GetSandboxConfig(context, request, &response);
    }));
    return config_of(response);
  }

  RpcResult<ProviderEnvironment> get_provider_environment(const std::string& sandbox_id) override {
    openshell::v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(sandbox_id);
    request.set_supports_static_credential_bindings(true);
    openshell::v1::GetSandboxProviderEnvironmentResponse response;
    TRY(call([&](grpc::ClientContext* context) {
      return stub_->GetSandboxProviderEnvironment(context, request, &response);
    }));
    return take_provider_environment(response);
  }

  RpcResult<> report_policy_status(const PolicyReport& report) override {
    openshell::v1::ReportPolicyStatusRequest request;
    request.set_sandbox_id(report.sandbox_id);
    request.set_version(report.version);
    request.set_status(report.load_error.empty() ? openshell::v1::POLICY_STATUS_LOADED
                                                 : openshell::v1::POLICY_STATUS_FAILED);
    request.set_load_error(report.load_error);
    openshell::v1::ReportPolicyStatusResponse response;
    return call([&](grpc::ClientContext* context) {
      return stub_->ReportPolicyStatus(context, request, &response);
    });
  }

  RpcResult<> report_main_process_exit(const ExitReport& report) override {
    openshell::v1::ReportMainProcessExitRequest request;
    request.set_sandbox_id(report.sandbox_id);
    request.set_instance_id(report.instance_id);
    request.set_exit_code(report.exit_code);
    openshell::v1::ReportMainProcessExitResponse response;
    const auto limit = std::chrono::system_clock::now() + farewell_deadline;
    return call([&](grpc::ClientContext* context) {
      context->set_deadline(limit);
      return stub_->ReportMainProcessExit(context, request, &response);
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
    return call([&](grpc::ClientContext* context) {
      context->set_deadline(limit);
      const auto stream = stub_->PushSandboxLogs(context, &response);
      stream->WriteLast(batch, {});
      return stream->Finish();
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
    TRY(call([&](grpc::ClientContext* context) {
      context->AddMetadata(refresh_id_metadata, refresh_id);
      return stub_->RefreshSandboxToken(context, request, &response);
    }));
    RefreshedToken refreshed;
    refreshed.token = Secret::take(*response.mutable_token());
    refreshed.expires = TimePoint(std::chrono::milliseconds(response.expires_at_ms()));
    return refreshed;
  }

  RpcResult<RefreshedToken> issue(const Secret& proof) override {
    const openshell::v1::IssueSandboxTokenRequest request;
    openshell::v1::IssueSandboxTokenResponse response;
    const grpc::Status status = attempt(
        [&](grpc::ClientContext* context) {
          return stub_->IssueSandboxToken(context, request, &response);
        },
        proof);
    if (!status.ok()) return tl::unexpected(rpc_error(status, url_));
    return RefreshedToken{Secret::take(*response.mutable_token()),
                          TimePoint(std::chrono::milliseconds(response.expires_at_ms()))};
  }

 private:
  // One attempt with the current token, and a second one where that token was replaced meanwhile.
  template <class Call>
  RpcResult<> call(const Call& one) {
    const auto token = slot_.get();
    grpc::Status status = attempt(one, token->bearer);
    if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) {
      const auto current = slot_.get();
      if (current != token) status = attempt(one, current->bearer);
    }
    if (!status.ok()) return tl::unexpected(rpc_error(status, url_));
    return {};
  }

  template <class Call>
  grpc::Status attempt(const Call& one, const Secret& bearer) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + call_deadline);
    context.AddMetadata("authorization", "Bearer " + std::string(bearer.reveal()));
    const Registration registration(*this, context);
    return one(&context);
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
  std::unique_ptr<Stub> stub_;
  const TokenSlot& slot_;
  std::mutex calls_mutex_;  // guards what follows
  std::set<grpc::ClientContext*> calls_;
  bool cancelled_ = false;
  ChannelDriver driver_;
};

}  // namespace

Result<std::unique_ptr<GatewayClient>> GatewayClient::connect(const GatewayEndpoint& endpoint,
                                                              const TokenSlot& slot) {
  TRY_ASSIGN(const GatewayTarget target, gateway_target(endpoint));
  forget_library_variables();
  ::gpr_set_log_function([](gpr_log_func_args*) {});  // what matters arrives as a status
  const auto channel = grpc::CreateCustomChannel(
      target.target, channel_credentials(endpoint, target.tls), channel_arguments(endpoint));
  return std::unique_ptr<GatewayClient>(
      std::make_unique<GrpcGatewayClient>(endpoint.url, channel, slot));
}

}  // namespace keyward::identity
