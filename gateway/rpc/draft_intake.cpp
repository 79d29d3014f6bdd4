#include <map>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/rpc/draft_book.hpp"
#include "gateway/rpc/drafts.hpp"
#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Entry = DraftBook::Entry;

constexpr int chunks_per_call = 100;
constexpr std::size_t chunk_limit = 16'384, text_limit = 2048, name_limit = 64;  // bytes

// Proposals of the same destination and program are one, and counted.
std::string fold_key(const v1::PolicyChunk& chunk) {
  const auto& endpoints = chunk.proposed_rule().endpoints();
  if (endpoints.empty()) return "";
  const auto& endpoint = endpoints.Get(0);
  const std::uint32_t port = endpoint.ports().empty() ? endpoint.port() : endpoint.ports(0);
  return endpoint.host() + "|" + std::to_string(port) + "|" + chunk.binary();
}

Result<> check(const v1::PolicyChunk& chunk) {
  if (chunk.rule_name().empty()) return fail(Code::invalid, "chunk missing rule_name");
  if (chunk.rule_name().size() > name_limit)
    return fail(Code::invalid, "rule_name is longer than 64 bytes");
  if (is_reserved_rule_name(chunk.rule_name()))
    return fail(Code::invalid, "rule names that begin with _provider_ are the gateway's own");
  if (!chunk.has_proposed_rule() || chunk.proposed_rule().endpoints().empty())
    return fail(Code::invalid, "chunk missing proposed_rule");
  if (chunk.ByteSizeLong() > chunk_limit)
    return fail(Code::invalid, "the chunk is longer than 16384 bytes");
  return {};
}

std::string text_of(const std::string& text) { return std::string(utf8_prefix(text, text_limit)); }

// Only what a proposer may say; the rest is the gateway's.
Result<v1::PolicyChunk> taken_over(const v1::PolicyChunk& proposed, TimePoint now) {
  TRY(check(proposed));
  v1::PolicyChunk chunk;
  chunk.set_id(random_uuid());
  chunk.set_status("pending");
  chunk.set_stage("initial");
  chunk.set_rule_name(proposed.rule_name());
  TRY_ASSIGN(*chunk.mutable_proposed_rule(), canonical_rule(proposed.proposed_rule()));
  chunk.set_rationale(text_of(proposed.rationale()));
  chunk.set_security_notes(text_of(proposed.security_notes()));
  chunk.set_confidence(std::min(1.0F, std::max(0.0F, proposed.confidence())));
  chunk.set_binary(text_of(proposed.binary()));
  chunk.set_hit_count(std::max(1, proposed.hit_count()));
  chunk.set_created_at_ms(unix_millis(now));
  chunk.set_first_seen_ms(unix_millis(now));
  chunk.set_last_seen_ms(unix_millis(now));
  return chunk;
}

class Intake {
 public:
  Intake(const CallContext& call, const SandboxRow& sandbox, bool fold)
      : call_(call), book_(call, sandbox), fold_(fold) {}

  Result<> begin() {
    TRY_ASSIGN(auto entries, book_.entries());
    count_ = entries.size();
    for (Entry& entry : entries)
      if (fold_ && entry.chunk.status() == "pending")
        pending_.emplace(fold_key(entry.chunk), std::move(entry));
    return {};
  }

  // The id that the proposal has now.
  Result<std::string> take(const v1::PolicyChunk& proposed) {
    TRY_ASSIGN(v1::PolicyChunk chunk, taken_over(proposed, call_.now()));
    if (const auto same = pending_.find(fold_key(chunk)); same != pending_.end())
      return count_again(same->second, chunk);
    if (count_ >= DraftBook::chunks_limit)
      return fail(Code::exhausted, "the sandbox has 200 proposals; decide or clear some");
    Entry entry{std::move(chunk), 0};
    TRY(book_.put(entry));
    ++count_;
    entry.version = 1;
    std::string id = entry.chunk.id();
    if (fold_) pending_.emplace(fold_key(entry.chunk), std::move(entry));
    return id;
  }

 private:
  Result<std::string> count_again(Entry& entry, const v1::PolicyChunk& proposed) {
    constexpr std::int32_t most = 1'000'000'000;
    const std::int32_t more = std::min(most, std::max(1, proposed.hit_count()));
    entry.chunk.set_hit_count(std::min(most, entry.chunk.hit_count()) + more);
    entry.chunk.set_last_seen_ms(unix_millis(call_.now()));
    TRY(book_.put(entry));
    ++entry.version;
    return entry.chunk.id();
  }

  const CallContext& call_;
  DraftBook book_;
  bool fold_;
  std::map<std::string, Entry> pending_;  // by fold_key
  std::size_t count_ = 0;
};

}  // namespace

Result<> submit_analysis(const CallContext& call, const v1::SubmitPolicyAnalysisRequest& request,
                         v1::SubmitPolicyAnalysisResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox, find_sandbox(call, request.name(), request.workspace()));
  if (request.proposed_chunks_size() > chunks_per_call)
    return fail(Code::invalid, "proposed_chunks: more than 100 in one call");
  Intake intake(call, sandbox, request.analysis_mode() == "mechanistic");
  if (!request.proposed_chunks().empty()) TRY(intake.begin());
  std::uint32_t accepted = 0, rejected = 0;
  for (const v1::PolicyChunk& proposed : request.proposed_chunks()) {
    const auto id = intake.take(proposed);
    if (!id && is_own_trouble(id.error())) return tl::unexpected(id.error());
    id ? ++accepted : ++rejected;
    if (id)
      response.add_accepted_chunk_ids(*id);
    else
      response.add_rejection_reasons(id.error().what);
  }
  response.set_accepted_chunks(accepted);
  response.set_rejected_chunks(rejected);
  if (accepted == 0) return {};
  return DraftBook(call, sandbox)
      .note("analysis_cycle",
            std::to_string(accepted) + " proposals, " + std::to_string(rejected) + " refused", "");
}

}  // namespace keyward::gateway
