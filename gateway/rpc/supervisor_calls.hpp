#pragma once
// What a supervisor asks: its token, its configuration, its credentials; and what it reports.

#include "gateway/rpc/call_context.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

Result<> issue_token(const CallContext& call,
                     const openshell::v1::IssueSandboxTokenRequest& request,
                     openshell::v1::IssueSandboxTokenResponse& response);
Result<> refresh_token(const CallContext& call,
                       const openshell::v1::RefreshSandboxTokenRequest& request,
                       openshell::v1::RefreshSandboxTokenResponse& response);
Result<> get_sandbox_config(const CallContext& call,
                            const openshell::sandbox::v1::GetSandboxConfigRequest& request,
                            openshell::sandbox::v1::GetSandboxConfigResponse& response);
Result<> get_provider_environment(
    const CallContext& call, const openshell::v1::GetSandboxProviderEnvironmentRequest& request,
    openshell::v1::GetSandboxProviderEnvironmentResponse& response);
Result<> report_policy_status(const CallContext& call,
                              const openshell::v1::ReportPolicyStatusRequest& request,
                              openshell::v1::ReportPolicyStatusResponse& response);
Result<> report_exit(const CallContext& call,
                     const openshell::v1::ReportMainProcessExitRequest& request,
                     openshell::v1::ReportMainProcessExitResponse& response);

}  // namespace keyward::gateway
