#include "gateway/rpc/supervisor_calls.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "gateway/issue/derived_keys.hpp"
#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/bound_providers.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/provider_environment.hpp"
#include "gateway/rpc/settings.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;

constexpr std::size_t instance_limit = 128, refresh_id_limit = 128;  // bytes

// What the operator is shown.  Never empty: that would mean that the policy is loaded.
std::string load_error_of(const v1::ReportPolicyStatusRequest& request) {
  constexpr std::size_t limit = 512;
  return request.load_error().empty() ? "no reason was given"
                                      : std::string(utf8_prefix(request.load_error(), limit));
}

std::uint64_t first_bytes(const Digest& digest) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | digest.at(static_cast<std::size_t>(i));
  return value;
}

// Where a secret stays here, that is told: which dates' keys leave instead, or why none do.
void log_derived_keys(const std::vector<ProviderRow>& providers, const EnvironmentReader& reader) {
  for (const ProviderRow& provider : providers) {
    if (provider.derived_keys.empty()) continue;
    if (!reader.takes_derived_keys) {
      log::warn("derived_keys_not_handed_out",
                {{"sandbox", reader.at.sandbox_id},
                 {"provider", provider.name},
                 {"detail", "its supervisor does not know them, and the secret stays here"}});
      continue;
    }
    std::string dates;
    for (const std::string& date : key_dates(reader.at.sandbox_id, reader.at.now))
      dates += (dates.empty() ? "" : ",") + date;
    log::info("derived_keys_handed_out",
              {{"sandbox", reader.at.sandbox_id}, {"provider", provider.name}, {"dates", dates}});
  }
}

template <class Response>
void fill(const IssuedToken& issued, Response& response) {
  response.set_token(std::string(issued.token.reveal()));
  response.set_expires_at_ms(unix_millis(issued.expires));
}

}  // namespace

Result<> issue_token(const CallContext& call, const v1::IssueSandboxTokenRequest&,
                     v1::IssueSandboxTokenResponse& response) {
  if (call.caller.proof != SandboxProof::service_account)
    return fail(Code::denied,
                "this principal cannot mint a sandbox token; use RefreshSandboxToken");
  TRY_ASSIGN(const IssuedToken issued, call.deps.issuer.issue(call.caller.sandbox_id, call.now()));
  fill(issued, response);
  return {};
}

Result<> refresh_token(const CallContext& call, const v1::RefreshSandboxTokenRequest& request,
                       v1::RefreshSandboxTokenResponse& response) {
  if (request.extension_service_names_size() > 0)
    return fail(Code::unsupported, "extension credentials are not served by this version");
  std::string refresh_id(metadata_of(call.server, "x-keyward-refresh-id"));
  if (refresh_id.size() > refresh_id_limit)
    return fail(Code::invalid, "x-keyward-refresh-id is too long");
  if (refresh_id.empty())
    refresh_id = random_uuid();  // nobody can repeat it: the old token is dead at once
  const Principal& caller = call.caller;
  TRY_ASSIGN(const IssuedToken issued,
             call.deps.issuer.refresh(caller.sandbox_id, caller.jti, refresh_id, call.now()));
  fill(issued, response);
  return {};
}

Result<> get_sandbox_config(const CallContext& call,
                            const sandbox_v1::GetSandboxConfigRequest& request,
                            sandbox_v1::GetSandboxConfigResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, call.store().sandbox_by_id(request.sandbox_id()));
  TRY_ASSIGN(const auto providers, bound_outlines_of(call.store(), sandbox.id));
  if (!sandbox.policy.empty()) {
    TRY_ASSIGN(*response.mutable_policy(), read_policy(sandbox.policy));
  }
  TRY(fill_settings(call.store(), sandbox.id, *response.mutable_settings()));
  response.set_version(sandbox.policy_version);
  response.set_policy_hash(sandbox.policy_hash);
  response.set_policy_source(sandbox_v1::POLICY_SOURCE_SANDBOX);
  response.set_provider_env_revision(provider_revision(providers, {sandbox.id, call.now()}));
  response.set_workspace(default_workspace);
  response.set_policy_validation_failure_mode("fail_closed");
  // Of the policy and the settings: when it changes, a supervisor looks at them again.
  sandbox_v1::GetSandboxConfigResponse inputs;
  *inputs.mutable_settings() = response.settings();
  response.set_config_revision(
      first_bytes(sha256(sandbox.policy_hash + "/" + std::to_string(sandbox.policy_version) + "/" +
                         serialize(inputs))));
  return {};
}

Result<> get_provider_environment(const CallContext& call,
                                  const v1::GetSandboxProviderEnvironmentRequest& request,
                                  v1::GetSandboxProviderEnvironmentResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, call.store().sandbox_by_id(request.sandbox_id()));
  TRY_ASSIGN(const auto providers, bound_providers_of(call.store(), sandbox.id));
  const EnvironmentReader reader{{sandbox.id, call.now()},
                                 request.supports_static_credential_bindings(),
                                 request.supports_derived_keys(),
                                 request.supports_extended_token_grants()};
  log_derived_keys(providers.rows, reader);
  return fill_provider_environment(providers, reader, response);
}

Result<> report_policy_status(const CallContext& call, const v1::ReportPolicyStatusRequest& request,
                              v1::ReportPolicyStatusResponse&) {
  const bool loaded = request.status() == v1::POLICY_STATUS_LOADED;
  if (request.version() == 0 || (!loaded && request.status() != v1::POLICY_STATUS_FAILED))
    return fail(Code::invalid, "version must be positive and status loaded or failed");
  const std::string detail = loaded ? std::string() : load_error_of(request);
  if (!loaded)
    log::warn("policy_not_loaded", {{"sandbox", request.sandbox_id()}, {"detail", detail}});
  return call.store().set_policy_status(request.sandbox_id(),
                                        {request.version(), detail, call.now()});
}

Result<> report_exit(const CallContext& call, const v1::ReportMainProcessExitRequest& request,
                     v1::ReportMainProcessExitResponse&) {
  const std::string& instance = request.instance_id();
  if (instance.empty() || instance.size() > instance_limit)
    return fail(Code::invalid, "instance_id is required");
  // Of a run that another one has followed: its end says nothing of the sandbox.
  const std::optional<std::string> running = call.deps.sessions.instance_of(request.sandbox_id());
  if (running && *running != instance)
    return fail(Code::precondition, "another instance has the sandbox's session");
  return call.store().set_exit(request.sandbox_id(), {instance, request.exit_code(), call.now()});
}

}  // namespace keyward::gateway
