#include <grpcpp/grpcpp.h>

#include "base/http_date.hpp"
#include "gateway/rpc/account_calls.hpp"
#include "gateway/rpc/config_changes.hpp"
#include "gateway/rpc/drafts.hpp"
#include "gateway/rpc/profiles.hpp"
#include "gateway/rpc/providers.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/serve_call.hpp"
#include "gateway/rpc/services.hpp"
#include "gateway/rpc/settings.hpp"
#include "gateway/rpc/streams.hpp"
#include "gateway/rpc/subject_tokens.hpp"
#include "gateway/rpc/supervisor_calls.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;

// The methods that are long streams hold no thread while nothing comes.
using Plain = v1::OpenShell::Service;
using WithLogs = v1::OpenShell::WithCallbackMethod_PushSandboxLogs<Plain>;
using WithSession = v1::OpenShell::WithCallbackMethod_ConnectSupervisor<WithLogs>;
using WithRelay = v1::OpenShell::WithCallbackMethod_RelayStream<WithSession>;
using WithForward = v1::OpenShell::WithCallbackMethod_ForwardTcp<WithRelay>;
using Base = v1::OpenShell::WithCallbackMethod_WatchSandbox<WithForward>;

// A call that is authorized by who calls alone, about what has this name.
Call about(const char* method, std::string target) {
  return {method, Requested::By::caller, "", std::move(target)};
}
std::string pair(const std::string& sandbox, const std::string& part) {
  return sandbox + "/" + part;
}
std::string ids_of(const v1::ImportProviderProfilesRequest& request) {
  std::string ids;
  for (const auto& item : request.profiles()) ids += (ids.empty() ? "" : ",") + item.profile().id();
  return ids;
}

// One line for each method: what it is about, and who handles it.
class OpenShellService final : public Base {
 public:
  explicit OpenShellService(ServiceDeps deps) : deps_(deps) {}

  grpc::Status Health(grpc::ServerContext* context, const v1::HealthRequest*,
                      v1::HealthResponse* response) override {
    context->AddInitialMetadata("date", http_date(deps_.clock.now()));  // whose clock is wrong?
    fill(*response);
    return grpc::Status::OK;
  }
  grpc::Status GetCurrentUser(grpc::ServerContext* context,
                              const v1::GetCurrentUserRequest* request,
                              v1::GetCurrentUserResponse* response) override {
    return serve(deps_, *context, {"GetCurrentUser"}).by(get_current_user, *request, *response);
  }
  grpc::Status GetGatewayInfo(grpc::ServerContext* context,
                              const v1::GetGatewayInfoRequest* request,
                              v1::GetGatewayInfoResponse* response) override {
    return serve(deps_, *context, {"GetGatewayInfo"}).by(get_gateway_info, *request, *response);
  }
  grpc::Status IssueSandboxToken(grpc::ServerContext* context,
                                 const v1::IssueSandboxTokenRequest* request,
                                 v1::IssueSandboxTokenResponse* response) override {
    return serve(deps_, *context, {"IssueSandboxToken"}).by(issue_token, *request, *response);
  }
  grpc::Status RefreshSandboxToken(grpc::ServerContext* context,
                                   const v1::RefreshSandboxTokenRequest* request,
                                   v1::RefreshSandboxTokenResponse* response) override {
    return serve(deps_, *context, {"RefreshSandboxToken"}).by(refresh_token, *request, *response);
  }
  grpc::Status GetSandboxConfig(grpc::ServerContext* context,
                                const sandbox_v1::GetSandboxConfigRequest* request,
                                sandbox_v1::GetSandboxConfigResponse* response) override {
    return serve(deps_, *context, {"GetSandboxConfig", Requested::By::id, request->sandbox_id()})
        .by(get_sandbox_config, *request, *response);
  }
  grpc::Status GetSandboxProviderEnvironment(
      grpc::ServerContext* context, const v1::GetSandboxProviderEnvironmentRequest* request,
      v1::GetSandboxProviderEnvironmentResponse* response) override {
    return serve(deps_, *context,
                 {"GetSandboxProviderEnvironment", Requested::By::id, request->sandbox_id()})
        .by(get_provider_environment, *request, *response);
  }
  grpc::Status GetSandboxSubjectToken(grpc::ServerContext* context,
                                      const v1::GetSandboxSubjectTokenRequest* request,
                                      v1::GetSandboxSubjectTokenResponse* response) override {
    return serve(deps_, *context,
                 {"GetSandboxSubjectToken", Requested::By::id, request->sandbox_id()})
        .by(get_subject_token, *request, *response);
  }
  grpc::Status ReportPolicyStatus(grpc::ServerContext* context,
                                  const v1::ReportPolicyStatusRequest* request,
                                  v1::ReportPolicyStatusResponse* response) override {
    return serve(deps_, *context, {"ReportPolicyStatus", Requested::By::id, request->sandbox_id()})
        .by(report_policy_status, *request, *response);
  }
  grpc::Status ReportMainProcessExit(grpc::ServerContext* context,
                                     const v1::ReportMainProcessExitRequest* request,
                                     v1::ReportMainProcessExitResponse* response) override {
    return serve(deps_, *context,
                 {"ReportMainProcessExit", Requested::By::id, request->sandbox_id()})
        .by(report_exit, *request, *response);
  }
  grpc::Status CreateSandbox(grpc::ServerContext* context, const v1::CreateSandboxRequest* request,
                             v1::SandboxResponse* response) override {
    return serve(deps_, *context, about("CreateSandbox", request->name()))
        .by(create_sandbox, *request, *response);
  }
  grpc::Status GetSandbox(grpc::ServerContext* context, const v1::GetSandboxRequest* request,
                          v1::SandboxResponse* response) override {
    return serve(deps_, *context, about("GetSandbox", request->name()))
        .by(get_sandbox, *request, *response);
  }
  grpc::Status ListSandboxes(grpc::ServerContext* context, const v1::ListSandboxesRequest* request,
                             v1::ListSandboxesResponse* response) override {
    return serve(deps_, *context, {"ListSandboxes"}).by(list_sandboxes, *request, *response);
  }
  grpc::Status DeleteSandbox(grpc::ServerContext* context, const v1::DeleteSandboxRequest* request,
                             v1::DeleteSandboxResponse* response) override {
    return serve(deps_, *context, about("DeleteSandbox", request->name()))
        .by(delete_sandbox, *request, *response);
  }
  grpc::Status ListSandboxProviders(grpc::ServerContext* context,
                                    const v1::ListSandboxProvidersRequest* request,
                                    v1::ListSandboxProvidersResponse* response) override {
    return serve(deps_, *context, about("ListSandboxProviders", request->sandbox_name()))
        .by(list_sandbox_providers, *request, *response);
  }
  grpc::Status AttachSandboxProvider(grpc::ServerContext* context,
                                     const v1::AttachSandboxProviderRequest* request,
                                     v1::AttachSandboxProviderResponse* response) override {
    return serve(deps_, *context,
                 about("AttachSandboxProvider",
                       pair(request->sandbox_name(), request->provider_name())))
        .by(attach_sandbox_provider, *request, *response);
  }
  grpc::Status DetachSandboxProvider(grpc::ServerContext* context,
                                     const v1::DetachSandboxProviderRequest* request,
                                     v1::DetachSandboxProviderResponse* response) override {
    return serve(deps_, *context,
                 about("DetachSandboxProvider",
                       pair(request->sandbox_name(), request->provider_name())))
        .by(detach_sandbox_provider, *request, *response);
  }
  grpc::Status GetSandboxLogs(grpc::ServerContext* context,
                              const v1::GetSandboxLogsRequest* request,
                              v1::GetSandboxLogsResponse* response) override {
    return serve(deps_, *context, {"GetSandboxLogs", Requested::By::id, request->sandbox_id()})
        .by(get_sandbox_logs, *request, *response);
  }
  grpc::Status CreateProvider(grpc::ServerContext* context,
                              const v1::CreateProviderRequest* request,
                              v1::ProviderResponse* response) override {
    return serve(deps_, *context, about("CreateProvider", request->provider().metadata().name()))
        .by(create_provider, *request, *response);
  }
  grpc::Status GetProvider(grpc::ServerContext* context, const v1::GetProviderRequest* request,
                           v1::ProviderResponse* response) override {
    return serve(deps_, *context, about("GetProvider", request->name()))
        .by(get_provider, *request, *response);
  }
  grpc::Status ListProviders(grpc::ServerContext* context, const v1::ListProvidersRequest* request,
                             v1::ListProvidersResponse* response) override {
    return serve(deps_, *context, {"ListProviders"}).by(list_providers, *request, *response);
  }
  grpc::Status UpdateProvider(grpc::ServerContext* context,
                              const v1::UpdateProviderRequest* request,
                              v1::ProviderResponse* response) override {
    return serve(deps_, *context, about("UpdateProvider", request->provider().metadata().name()))
        .by(update_provider, *request, *response);
  }
  grpc::Status DeleteProvider(grpc::ServerContext* context,
                              const v1::DeleteProviderRequest* request,
                              v1::DeleteProviderResponse* response) override {
    return serve(deps_, *context, about("DeleteProvider", request->name()))
        .by(delete_provider, *request, *response);
  }
  grpc::Status ListProviderProfiles(grpc::ServerContext* context,
                                    const v1::ListProviderProfilesRequest* request,
                                    v1::ListProviderProfilesResponse* response) override {
    return serve(deps_, *context, {"ListProviderProfiles"}).by(list_profiles, *request, *response);
  }
  grpc::Status GetProviderProfile(grpc::ServerContext* context,
                                  const v1::GetProviderProfileRequest* request,
                                  v1::ProviderProfileResponse* response) override {
    return serve(deps_, *context, about("GetProviderProfile", request->id()))
        .by(get_profile, *request, *response);
  }
  grpc::Status ImportProviderProfiles(grpc::ServerContext* context,
                                      const v1::ImportProviderProfilesRequest* request,
                                      v1::ImportProviderProfilesResponse* response) override {
    return serve(deps_, *context, about("ImportProviderProfiles", ids_of(*request)))
        .by(import_profiles, *request, *response);
  }
  grpc::Status UpdateProviderProfiles(grpc::ServerContext* context,
                                      const v1::UpdateProviderProfilesRequest* request,
                                      v1::UpdateProviderProfilesResponse* response) override {
    return serve(deps_, *context, about("UpdateProviderProfiles", request->id()))
        .by(update_profile, *request, *response);
  }
  grpc::Status LintProviderProfiles(grpc::ServerContext* context,
                                    const v1::LintProviderProfilesRequest* request,
                                    v1::LintProviderProfilesResponse* response) override {
    return serve(deps_, *context, {"LintProviderProfiles"}).by(lint_profiles, *request, *response);
  }
  grpc::Status DeleteProviderProfile(grpc::ServerContext* context,
                                     const v1::DeleteProviderProfileRequest* request,
                                     v1::DeleteProviderProfileResponse* response) override {
    return serve(deps_, *context, about("DeleteProviderProfile", request->id()))
        .by(delete_profile, *request, *response);
  }
  grpc::Status GetGatewayConfig(grpc::ServerContext* context,
                                const v1::GetGatewayConfigRequest* request,
                                v1::GetGatewayConfigResponse* response) override {
    return serve(deps_, *context, {"GetGatewayConfig"}).by(get_gateway_config, *request, *response);
  }
  grpc::Status UpdateConfig(grpc::ServerContext* context, const v1::UpdateConfigRequest* request,
                            v1::UpdateConfigResponse* response) override {
    return serve(deps_, *context,
                 {"UpdateConfig", Requested::By::name, request->name(), request->setting_key()})
        .by(update_config, *request, *response);
  }
  grpc::Status GetSandboxPolicyStatus(grpc::ServerContext* context,
                                      const v1::GetSandboxPolicyStatusRequest* request,
                                      v1::GetSandboxPolicyStatusResponse* response) override {
    return serve(deps_, *context, about("GetSandboxPolicyStatus", request->name()))
        .by(get_policy_status, *request, *response);
  }
  grpc::Status ListSandboxPolicies(grpc::ServerContext* context,
                                   const v1::ListSandboxPoliciesRequest* request,
                                   v1::ListSandboxPoliciesResponse* response) override {
    return serve(deps_, *context, about("ListSandboxPolicies", request->name()))
        .by(list_policies, *request, *response);
  }
  grpc::Status SubmitPolicyAnalysis(grpc::ServerContext* context,
                                    const v1::SubmitPolicyAnalysisRequest* request,
                                    v1::SubmitPolicyAnalysisResponse* response) override {
    return serve(deps_, *context, {"SubmitPolicyAnalysis", Requested::By::name, request->name()})
        .by(submit_analysis, *request, *response);
  }
  grpc::Status GetDraftPolicy(grpc::ServerContext* context,
                              const v1::GetDraftPolicyRequest* request,
                              v1::GetDraftPolicyResponse* response) override {
    return serve(deps_, *context, {"GetDraftPolicy", Requested::By::name, request->name()})
        .by(get_draft, *request, *response);
  }
  grpc::Status ApproveDraftChunk(grpc::ServerContext* context,
                                 const v1::ApproveDraftChunkRequest* request,
                                 v1::ApproveDraftChunkResponse* response) override {
    return serve(deps_, *context,
                 about("ApproveDraftChunk", pair(request->name(), request->chunk_id())))
        .by(approve_chunk, *request, *response);
  }
  grpc::Status RejectDraftChunk(grpc::ServerContext* context,
                                const v1::RejectDraftChunkRequest* request,
                                v1::RejectDraftChunkResponse* response) override {
    return serve(deps_, *context,
                 about("RejectDraftChunk", pair(request->name(), request->chunk_id())))
        .by(reject_chunk, *request, *response);
  }
  grpc::Status ApproveAllDraftChunks(grpc::ServerContext* context,
                                     const v1::ApproveAllDraftChunksRequest* request,
                                     v1::ApproveAllDraftChunksResponse* response) override {
    return serve(deps_, *context, about("ApproveAllDraftChunks", request->name()))
        .by(approve_all_chunks, *request, *response);
  }
  grpc::Status EditDraftChunk(grpc::ServerContext* context,
                              const v1::EditDraftChunkRequest* request,
                              v1::EditDraftChunkResponse* response) override {
    return serve(deps_, *context,
                 about("EditDraftChunk", pair(request->name(), request->chunk_id())))
        .by(edit_chunk, *request, *response);
  }
  grpc::Status UndoDraftChunk(grpc::ServerContext* context,
                              const v1::UndoDraftChunkRequest* request,
                              v1::UndoDraftChunkResponse* response) override {
    return serve(deps_, *context,
                 about("UndoDraftChunk", pair(request->name(), request->chunk_id())))
        .by(undo_chunk, *request, *response);
  }
  grpc::Status ClearDraftChunks(grpc::ServerContext* context,
                                const v1::ClearDraftChunksRequest* request,
                                v1::ClearDraftChunksResponse* response) override {
    return serve(deps_, *context, about("ClearDraftChunks", request->name()))
        .by(clear_chunks, *request, *response);
  }
  grpc::Status GetDraftHistory(grpc::ServerContext* context,
                               const v1::GetDraftHistoryRequest* request,
                               v1::GetDraftHistoryResponse* response) override {
    return serve(deps_, *context, about("GetDraftHistory", request->name()))
        .by(get_draft_history, *request, *response);
  }

  grpc::ServerReadReactor<v1::PushSandboxLogsRequest>* PushSandboxLogs(
      grpc::CallbackServerContext* context, v1::PushSandboxLogsResponse*) override {
    return open_log_stream(*context, deps_);
  }
  grpc::ServerBidiReactor<v1::SupervisorMessage, v1::GatewayMessage>* ConnectSupervisor(
      grpc::CallbackServerContext* context) override {
    return open_session_stream(*context, deps_);
  }
  grpc::ServerBidiReactor<v1::RelayFrame, v1::RelayFrame>* RelayStream(
      grpc::CallbackServerContext* context) override {
    return open_relay_stream(*context, deps_);
  }
  grpc::ServerBidiReactor<v1::TcpForwardFrame, v1::TcpForwardFrame>* ForwardTcp(
      grpc::CallbackServerContext* context) override {
    return open_forward_stream(*context, deps_);
  }
  grpc::ServerWriteReactor<v1::SandboxStreamEvent>* WatchSandbox(
      grpc::CallbackServerContext* context, const v1::WatchSandboxRequest* request) override {
    return open_watch_stream(*context, deps_, *request);
  }

 private:
  ServiceDeps deps_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_openshell_service(ServiceDeps deps) {
  return std::make_unique<OpenShellService>(deps);
}

}  // namespace keyward::gateway
