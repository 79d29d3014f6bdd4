#pragma once
// Sandboxes as users see them.

#include "gateway/rpc/call_context.hpp"
#include "sandboxes.pb.h"

namespace keyward::gateway {

// By its name; an empty one is Code::invalid.
Result<SandboxRow> find_sandbox(const CallContext& call, const std::string& name,
                                const std::string& workspace);
Result<> fill(const CallContext& call, const SandboxRow& row, openshell::v1::Sandbox& sandbox);

Result<> create_sandbox(const CallContext& call, const openshell::v1::CreateSandboxRequest& request,
                        openshell::v1::SandboxResponse& response);
Result<> get_sandbox(const CallContext& call, const openshell::v1::GetSandboxRequest& request,
                     openshell::v1::SandboxResponse& response);
Result<> list_sandboxes(const CallContext& call, const openshell::v1::ListSandboxesRequest& request,
                        openshell::v1::ListSandboxesResponse& response);
Result<> delete_sandbox(const CallContext& call, const openshell::v1::DeleteSandboxRequest& request,
                        openshell::v1::DeleteSandboxResponse& response);
Result<> list_sandbox_providers(const CallContext& call,
                                const openshell::v1::ListSandboxProvidersRequest& request,
                                openshell::v1::ListSandboxProvidersResponse& response);
Result<> attach_sandbox_provider(const CallContext& call,
                                 const openshell::v1::AttachSandboxProviderRequest& request,
                                 openshell::v1::AttachSandboxProviderResponse& response);
Result<> detach_sandbox_provider(const CallContext& call,
                                 const openshell::v1::DetachSandboxProviderRequest& request,
                                 openshell::v1::DetachSandboxProviderResponse& response);
Result<> get_sandbox_logs(const CallContext& call,
                          const openshell::v1::GetSandboxLogsRequest& request,
                          openshell::v1::GetSandboxLogsResponse& response);

}  // namespace keyward::gateway
