#include "gateway/rpc/drafts.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/rpc/config_changes.hpp"
#include "gateway/rpc/draft_book.hpp"
#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Entry = DraftBook::Entry;

// What the decision is about: another rule or another policy is another token.
std::string review_token(const v1::PolicyChunk& chunk, const SandboxRow& sandbox) {
  return hex(sha256(chunk.id() + "/" + serialize(chunk.proposed_rule()) + "/" +
                    sandbox.policy_hash))
      .substr(0, 32);
}

Result<> check_token(const v1::PolicyChunk& chunk, const SandboxRow& sandbox,
                     const std::string& presented) {
  if (presented.empty() || presented == review_token(chunk, sandbox)) return {};
  return fail(Code::precondition,
              "the proposal or the policy has changed since it was reviewed; look again");
}

// What the next revision is made from.
Result<WirePolicy> policy_of(const SandboxRow& sandbox) {
  TRY_ASSIGN(WirePolicy policy, read_policy(sandbox.policy));
  if (sandbox.policy_version == 0) policy.set_version(1);
  return policy;
}

// An approved chunk keeps what its approval added in a field that nobody is shown.
void remember(const AddedRule& added, v1::PolicyChunk& chunk) {
  (*chunk.mutable_candidate_effective_policy()->mutable_network_policies())[added.key] = added.rule;
}
AddedRule remembered(const v1::PolicyChunk& chunk) {
  const auto& rules = chunk.candidate_effective_policy().network_policies();
  if (rules.empty()) return {};
  return {rules.begin()->first, rules.begin()->second};
}

// What a reviewer is shown beside the proposal.  `policy`: the sandbox's.
void fill_review(v1::PolicyChunk& chunk, const SandboxRow& sandbox, WirePolicy policy,
                 TimePoint now) {
  chunk.set_current_effective_policy_hash(sandbox.policy_hash);
  if (chunk.status() != "pending") return;
  chunk.set_review_token(review_token(chunk, sandbox));
  add_rule(chunk.rule_name(), chunk.proposed_rule(), policy);
  const auto row = policy_row(policy, now);
  chunk.set_validation_result(row ? "valid" : row.error().what);
  if (row) chunk.set_candidate_effective_policy_hash(row->hash);
}

Result<> take_back_from(const CallContext& call, const std::string& sandbox_id,
                        const AddedRule& added) {
  TRY_ASSIGN(const SandboxRow sandbox, call.store().sandbox_by_id(sandbox_id));
  TRY_ASSIGN(WirePolicy policy, read_policy(sandbox.policy));
  TRY(take_back(added, policy));
  TRY(add_revision(call, sandbox, policy));
  return {};
}

Result<NewRevision> approve(const CallContext& call, DraftBook& book, const SandboxRow& sandbox,
                            Entry entry) {
  TRY_ASSIGN(WirePolicy policy, policy_of(sandbox));
  const AddedRule added = add_rule(entry.chunk.rule_name(), entry.chunk.proposed_rule(), policy);
  TRY(call.store().touch_sandbox(sandbox.id, 0));
  // First the policy: a chunk that stays pending after a crash can be approved once more.
  TRY_ASSIGN(NewRevision made, add_revision(call, sandbox, policy));
  entry.chunk.set_status("approved");
  entry.chunk.set_decided_at_ms(unix_millis(call.now()));
  remember(added, entry.chunk);
  const Result<> decided = book.decide(entry, "pending");
  if (!decided && !is_own_trouble(decided.error()) && !added.rule.endpoints().empty())
    TRY(take_back_from(call, sandbox.id, added));  // somebody else has refused or edited it
  TRY(decided);
  TRY(book.note("approved", "revision " + std::to_string(made.version), entry.chunk.id()));
  return made;
}

}  // namespace

Result<> get_draft(const CallContext& call, const v1::GetDraftPolicyRequest& request,
                   v1::GetDraftPolicyResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox,
             addressed_sandbox(call, request.name(), request.workspace()));
  const std::string& status = request.status_filter();
  if (!status.empty() && status != "pending" && status != "approved" && status != "rejected")
    return fail(Code::invalid, "status_filter: pending, approved or rejected");
  TRY_ASSIGN(auto entries, DraftBook(call, sandbox).entries());
  TRY_ASSIGN(const WirePolicy policy, policy_of(sandbox));
  std::uint64_t changes = 0, pending = 0;
  for (Entry& entry : entries) {
    changes += entry.version;
    pending += entry.chunk.status() == "pending" ? 1 : 0;
    response.set_last_analyzed_at_ms(
        std::max(response.last_analyzed_at_ms(), entry.chunk.last_seen_ms()));
    if (!status.empty() && entry.chunk.status() != status) continue;
    entry.chunk.clear_candidate_effective_policy();
    // The proposer reviews nothing, and could have the gateway compile policies all day.
    if (call.caller.kind != PrincipalKind::sandbox)
      fill_review(entry.chunk, sandbox, policy, call.now());
    *response.add_chunks() = std::move(entry.chunk);
  }
  response.set_draft_version(changes);
  response.set_rolling_summary(std::to_string(pending) + " of " + std::to_string(entries.size()) +
                               " proposals are pending");
  return {};
}

Result<> approve_chunk(const CallContext& call, const v1::ApproveDraftChunkRequest& request,
                       v1::ApproveDraftChunkResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(Entry entry, book.find(request.chunk_id(), "pending"));
  TRY(check_token(entry.chunk, sandbox, request.review_token()));
  TRY_ASSIGN(const NewRevision made, approve(call, book, sandbox, std::move(entry)));
  TRY(book.trim());
  response.set_policy_version(made.version);
  response.set_policy_hash(made.hash);
  return {};
}

Result<> reject_chunk(const CallContext& call, const v1::RejectDraftChunkRequest& request,
                      v1::RejectDraftChunkResponse&) {
  constexpr std::size_t reason_limit = 1024;
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(Entry entry, book.find(request.chunk_id(), "pending"));
  entry.chunk.set_status("rejected");
  entry.chunk.set_rejection_reason(std::string(utf8_prefix(request.reason(), reason_limit)));
  entry.chunk.set_decided_at_ms(unix_millis(call.now()));
  TRY(book.decide(entry, "pending"));
  TRY(book.note("rejected", entry.chunk.rejection_reason(), entry.chunk.id()));
  return book.trim();
}

Result<> approve_all_chunks(const CallContext& call,
                            const v1::ApproveAllDraftChunksRequest& request,
                            v1::ApproveAllDraftChunksResponse& response) {
  TRY_ASSIGN(SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(const auto entries, book.entries());
  // Tokens were given for the policy as it was before the first approval.
  for (const v1::DraftChunkApproval& approval : request.approvals()) {
    TRY_ASSIGN(const Entry entry, book.find(approval.chunk_id(), "pending"));
    TRY(check_token(entry.chunk, sandbox, approval.review_token()));
  }
  const auto wanted = [&](const v1::PolicyChunk& chunk) {
    if (!chunk.security_notes().empty() && !request.include_security_flagged()) return false;
    const auto& approvals = request.approvals();
    return approvals.empty() || std::any_of(approvals.begin(), approvals.end(), [&](const auto& a) {
             return a.chunk_id() == chunk.id();
           });
  };
  std::uint32_t approved = 0, skipped = 0;
  for (const Entry& entry : entries) {
    if (entry.chunk.status() != "pending") continue;
    if (!wanted(entry.chunk)) {
      ++skipped;
      continue;
    }
    const auto made = approve(call, book, sandbox, entry);
    if (!made && is_own_trouble(made.error())) return tl::unexpected(made.error());
    made ? ++approved : ++skipped;
    TRY_ASSIGN(sandbox, call.store().sandbox_by_id(sandbox.id));
  }
  TRY(book.trim());
  response.set_chunks_approved(approved);
  response.set_chunks_skipped(skipped);
  response.set_policy_version(sandbox.policy_version);
  response.set_policy_hash(sandbox.policy_hash);
  return {};
}

Result<> edit_chunk(const CallContext& call, const v1::EditDraftChunkRequest& request,
                    v1::EditDraftChunkResponse&) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(Entry entry, book.find(request.chunk_id(), "pending"));
  if (!request.has_proposed_rule() || request.proposed_rule().endpoints().empty())
    return fail(Code::invalid, "proposed_rule with endpoints is required");
  TRY_ASSIGN(*entry.chunk.mutable_proposed_rule(), canonical_rule(request.proposed_rule()));
  TRY_ASSIGN(WirePolicy policy, policy_of(sandbox));
  add_rule(entry.chunk.rule_name(), entry.chunk.proposed_rule(), policy);
  TRY(policy_row(policy, call.now()));  // refuses a rule that no supervisor would load
  TRY(book.put(entry));
  return book.note("edited", "", entry.chunk.id());
}

Result<> undo_chunk(const CallContext& call, const v1::UndoDraftChunkRequest& request,
                    v1::UndoDraftChunkResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(Entry entry, book.find(request.chunk_id(), "approved"));
  TRY_ASSIGN(WirePolicy policy, read_policy(sandbox.policy));
  TRY(take_back(remembered(entry.chunk), policy));
  TRY(call.store().touch_sandbox(sandbox.id, 0));
  TRY_ASSIGN(const NewRevision made, add_revision(call, sandbox, policy));
  entry.chunk.set_status("pending");
  entry.chunk.set_decided_at_ms(0);
  entry.chunk.clear_candidate_effective_policy();
  TRY(book.put(entry));
  TRY(book.note("undone", "revision " + std::to_string(made.version), entry.chunk.id()));
  response.set_policy_version(made.version);
  response.set_policy_hash(made.hash);
  return {};
}

Result<> clear_chunks(const CallContext& call, const v1::ClearDraftChunksRequest& request,
                      v1::ClearDraftChunksResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  DraftBook book(call, sandbox);
  TRY_ASSIGN(const auto entries, book.entries());
  std::uint32_t cleared = 0;
  for (const Entry& entry : entries) {
    if (entry.chunk.status() != "pending") continue;
    TRY_ASSIGN(const bool discarded, book.discard(entry.chunk.id()));
    cleared += discarded ? 1 : 0;
  }
  response.set_chunks_cleared(cleared);
  return book.note("cleared", std::to_string(cleared) + " proposals", "");
}

Result<> get_draft_history(const CallContext& call, const v1::GetDraftHistoryRequest& request,
                           v1::GetDraftHistoryResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  TRY_ASSIGN(response, DraftBook(call, sandbox).history());
  return {};
}

}  // namespace keyward::gateway
