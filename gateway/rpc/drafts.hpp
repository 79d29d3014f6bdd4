#pragma once
// Rules that a sandbox's supervisor or agent proposes, and what people decide of them.  A proposal
// grants nothing until a user approves it; what is approved is a new revision of the policy.

#include "gateway/rpc/call_context.hpp"
#include "policies.pb.h"

namespace keyward::gateway {

// Each proposal is taken or refused for itself; refusals are in the answer.
Result<> submit_analysis(const CallContext& call,
                         const openshell::v1::SubmitPolicyAnalysisRequest& request,
                         openshell::v1::SubmitPolicyAnalysisResponse& response);
Result<> get_draft(const CallContext& call, const openshell::v1::GetDraftPolicyRequest& request,
                   openshell::v1::GetDraftPolicyResponse& response);
Result<> approve_chunk(const CallContext& call,
                       const openshell::v1::ApproveDraftChunkRequest& request,
                       openshell::v1::ApproveDraftChunkResponse& response);
Result<> reject_chunk(const CallContext& call,
                      const openshell::v1::RejectDraftChunkRequest& request,
                      openshell::v1::RejectDraftChunkResponse& response);
Result<> approve_all_chunks(const CallContext& call,
                            const openshell::v1::ApproveAllDraftChunksRequest& request,
                            openshell::v1::ApproveAllDraftChunksResponse& response);
Result<> edit_chunk(const CallContext& call, const openshell::v1::EditDraftChunkRequest& request,
                    openshell::v1::EditDraftChunkResponse& response);
Result<> undo_chunk(const CallContext& call, const openshell::v1::UndoDraftChunkRequest& request,
                    openshell::v1::UndoDraftChunkResponse& response);
Result<> clear_chunks(const CallContext& call,
                      const openshell::v1::ClearDraftChunksRequest& request,
                      openshell::v1::ClearDraftChunksResponse& response);
Result<> get_draft_history(const CallContext& call,
                           const openshell::v1::GetDraftHistoryRequest& request,
                           openshell::v1::GetDraftHistoryResponse& response);

}  // namespace keyward::gateway
