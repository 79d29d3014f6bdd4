#include "gateway/rpc/sandbox_service.hpp"

#include <grpcpp/grpcpp.h>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "gateway/authz/guard.hpp"
#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/log_stream.hpp"
#include "gateway/rpc/provider_environment.hpp"
#include "gateway/rpc/status.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;

constexpr std::size_t instance_limit = 128;  // bytes

// What the operator is shown.  Never empty: that would mean that the policy is loaded.
std::string load_error_of(const v1::ReportPolicyStatusRequest& request) {
  constexpr std::size_t limit = 512;
  return request.load_error().empty() ? "no reason was given"
                                      : request.load_error().substr(0, limit);
}

std::uint64_t first_bytes(const Digest& digest) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | digest.at(static_cast<std::size_t>(i));
  return value;
}

// The one method that is a long stream: it holds no thread while nothing comes.
using Base = v1::OpenShell::WithCallbackMethod_PushSandboxLogs<v1::OpenShell::Service>;

class SandboxService final : public Base {
 public:
  explicit SandboxService(ServiceDeps deps) : deps_(deps) {}

  grpc::Status Health(grpc::ServerContext*, const v1::HealthRequest*,
                      v1::HealthResponse* response) override {
    response->set_status(v1::SERVICE_STATUS_HEALTHY);
    response->set_version(KEYWARD_VERSION);
    return grpc::Status::OK;
  }

  grpc::Status GetCurrentUser(grpc::ServerContext* context, const v1::GetCurrentUserRequest*,
                              v1::GetCurrentUserResponse* response) override {
    return answer(deps_, *context, {"GetCurrentUser"}, [&](const Principal& principal) -> Result<> {
      const User& user = principal.user;
      response->set_subject(user.subject);
      response->set_display_name(user.display_name);
      response->mutable_roles()->Add(user.roles.begin(), user.roles.end());
      if (user.scopes) response->mutable_scopes()->Add(user.scopes->begin(), user.scopes->end());
      response->set_identity_provider(user.provider);
      return {};
    });
  }

  grpc::Status IssueSandboxToken(grpc::ServerContext* context, const v1::IssueSandboxTokenRequest*,
                                 v1::IssueSandboxTokenResponse* response) override {
    return answer(deps_, *context, {"IssueSandboxToken"},
                  [&](const Principal& principal) -> Result<> {
                    if (principal.proof != SandboxProof::service_account)
                      return fail(Code::denied,
                                  "this principal cannot mint a sandbox token; use "
                                  "RefreshSandboxToken");
                    TRY_ASSIGN(const IssuedToken issued,
                               deps_.issuer.issue(principal.sandbox_id, deps_.clock.now()));
                    response->set_token(std::string(issued.token.reveal()));
                    response->set_expires_at_ms(issued.expires.time_since_epoch().count());
                    return {};
                  });
  }

  grpc::Status RefreshSandboxToken(grpc::ServerContext* context,
                                   const v1::RefreshSandboxTokenRequest* request,
                                   v1::RefreshSandboxTokenResponse* response) override {
    return answer(
        deps_, *context, {"RefreshSandboxToken"}, [&](const Principal& principal) -> Result<> {
          if (request->extension_service_names_size() > 0)
            return fail(Code::unsupported, "extension credentials are not served by this version");
          std::string refresh_id(metadata_of(*context, "x-keyward-refresh-id"));
          if (refresh_id.size() > 128)
            return fail(Code::invalid, "x-keyward-refresh-id is too long");
          if (refresh_id.empty())
            refresh_id = random_uuid();  // nobody can repeat it: the old token is dead at once
          TRY_ASSIGN(const IssuedToken issued,
                     deps_.issuer.refresh(principal.sandbox_id, principal.jti, refresh_id,
                                          deps_.clock.now()));
          response->set_token(std::string(issued.token.reveal()));
          response->set_expires_at_ms(issued.expires.time_since_epoch().count());
          return {};
        });
  }

  grpc::Status GetSandboxConfig(grpc::ServerContext* context,
                                const sandbox_v1::GetSandboxConfigRequest* request,
                                sandbox_v1::GetSandboxConfigResponse* response) override {
    return answer(
        deps_, *context, {"GetSandboxConfig", Requested::By::id, request->sandbox_id()},
        [&](const Principal&) -> Result<> {
          TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_id(request->sandbox_id()));
          TRY_ASSIGN(const auto providers, deps_.store.providers_of(sandbox.id));
          if (!sandbox.policy.empty() &&
              !response->mutable_policy()->ParseFromString(sandbox.policy))
            return fail(Code::internal, "stored policy is unreadable");
          response->set_version(sandbox.policy_version);
          response->set_policy_hash(sandbox.policy_hash);
          response->set_policy_source(sandbox_v1::POLICY_SOURCE_SANDBOX);
          response->set_provider_env_revision(provider_revision(providers));
          response->set_config_revision(first_bytes(
              sha256(sandbox.policy_hash + "/" + std::to_string(sandbox.policy_version))));
          response->set_workspace("default");
          response->set_policy_validation_failure_mode("fail_closed");
          return {};
        });
  }

  grpc::Status GetSandboxProviderEnvironment(
      grpc::ServerContext* context, const v1::GetSandboxProviderEnvironmentRequest* request,
      v1::GetSandboxProviderEnvironmentResponse* response) override {
    return answer(deps_, *context,
                  {"GetSandboxProviderEnvironment", Requested::By::id, request->sandbox_id()},
                  [&](const Principal&) -> Result<> {
                    TRY_ASSIGN(const SandboxRow sandbox,
                               deps_.store.sandbox_by_id(request->sandbox_id()));
                    TRY_ASSIGN(const auto providers, deps_.store.providers_of(sandbox.id));
                    return fill_provider_environment(
                        providers, request->supports_static_credential_bindings(), *response);
                  });
  }

  grpc::Status ReportPolicyStatus(grpc::ServerContext* context,
                                  const v1::ReportPolicyStatusRequest* request,
                                  v1::ReportPolicyStatusResponse*) override {
    return answer(
        deps_, *context, {"ReportPolicyStatus", Requested::By::id, request->sandbox_id()},
        [&](const Principal&) -> Result<> {
          const bool loaded = request->status() == v1::POLICY_STATUS_LOADED;
          if (request->version() == 0 || (!loaded && request->status() != v1::POLICY_STATUS_FAILED))
            return fail(Code::invalid, "version must be positive and status loaded or failed");
          const std::string detail = loaded ? std::string() : load_error_of(*request);
          if (!loaded)
            log::warn("policy_not_loaded",
                      {{"sandbox", request->sandbox_id()}, {"detail", detail}});
          return deps_.store.set_policy_status(request->sandbox_id(), {request->version(), detail});
        });
  }

  grpc::Status ReportMainProcessExit(grpc::ServerContext* context,
                                     const v1::ReportMainProcessExitRequest* request,
                                     v1::ReportMainProcessExitResponse*) override {
    return answer(deps_, *context,
                  {"ReportMainProcessExit", Requested::By::id, request->sandbox_id()},
                  [&](const Principal&) -> Result<> {
                    const std::string& instance = request->instance_id();
                    if (instance.empty() || instance.size() > instance_limit)
                      return fail(Code::invalid, "instance_id is required");
                    return deps_.store.set_exit(
                        request->sandbox_id(), {instance, request->exit_code(), deps_.clock.now()});
                  });
  }

  grpc::ServerReadReactor<v1::PushSandboxLogsRequest>* PushSandboxLogs(
      grpc::CallbackServerContext* context, v1::PushSandboxLogsResponse*) override {
    return open_log_stream(*context, deps_);
  }

 private:
  ServiceDeps deps_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_sandbox_service(ServiceDeps deps) {
  return std::make_unique<SandboxService>(deps);
}

}  // namespace keyward::gateway
