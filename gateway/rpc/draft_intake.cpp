#include "gateway/rpc/draft_intake.hpp"

#include <map>
#include <set>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/rpc/config_changes.hpp"
#include "gateway/rpc/draft_book.hpp"
#include "gateway/rpc/drafts.hpp"
#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;
using Entry = DraftBook::Entry;

constexpr int chunks_per_call = 20;
constexpr std::size_t proposed_limit = 16'384, kept_limit = 8192, text_limit = 2048,
                      name_limit = 64;  // bytes

class Notes {
 public:
  void add(bool applies, const std::string& note) {
    if (!applies || text_.find(note) != std::string::npos) return;
    text_ += (text_.empty() ? "" : "; ") + note;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

bool allows_everything(const sandbox_v1::L7Rule& rule) {
  return rule.allow().method() == "*" &&
         rule.allow().path().find_first_not_of("/*") == std::string::npos;
}

void note(const sandbox_v1::NetworkEndpoint& endpoint, Notes& notes) {
  notes.add(endpoint.host().find('*') != std::string::npos, "a wildcard host");
  notes.add(!endpoint.allowed_ips().empty(), "opens private addresses (allowed_ips)");
  notes.add(endpoint.tls() == "skip", "TLS stays closed (tls: skip), requests are not seen");
  notes.add(endpoint.protocol() != "rest", "not protocol: rest, every request passes unseen");
  notes.add(endpoint.access() == "full", "access: full, every method on every path");
  notes.add(std::any_of(endpoint.rules().begin(), endpoint.rules().end(), allows_everything),
            "a rule allows every method on every path");
  notes.add(endpoint.enforcement() == "audit",
            "enforcement: audit, what the rules forbid passes all the same");
  notes.add(endpoint.allow_encoded_slash(), "paths may hide slashes (allow_encoded_slash)");
  notes.add(endpoint.has_credential_binding(), "binds a provider's credentials");
  notes.add(!endpoint.credential_signing().empty(), "signs with a provider's credentials");
}

// Proposals of the same destinations and programs are one, and counted.
std::string fold_key(const v1::PolicyChunk& chunk) {
  sandbox_v1::NetworkPolicyRule key;
  *key.mutable_binaries() = chunk.proposed_rule().binaries();
  for (const auto& endpoint : chunk.proposed_rule().endpoints()) {
    auto& place = *key.add_endpoints();
    place.set_host(endpoint.host());
    *place.mutable_ports() = endpoint.ports();
  }
  return serialize(key);
}

// All that are kept of a sandbox, pending and decided, fit into one answer (4 MiB).
Result<> check_size(const v1::PolicyChunk& chunk, std::size_t limit) {
  if (chunk.ByteSizeLong() <= limit) return {};
  return fail(Code::invalid, "the chunk is longer than " + std::to_string(limit) + " bytes");
}

Result<> check(const v1::PolicyChunk& chunk) {
  if (chunk.rule_name().empty()) return fail(Code::invalid, "chunk missing rule_name");
  if (chunk.rule_name().size() > name_limit)
    return fail(Code::invalid, "rule_name is longer than 64 bytes");
  if (is_reserved_rule_name(chunk.rule_name()))
    return fail(Code::invalid, "rule names that begin with _provider_ are the gateway's own");
  if (!chunk.has_proposed_rule() || chunk.proposed_rule().endpoints().empty())
    return fail(Code::invalid, "chunk missing proposed_rule");
  return check_size(chunk, proposed_limit);
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
  chunk.set_confidence(std::min(1.0F, std::max(0.0F, proposed.confidence())));
  chunk.set_hit_count(std::max(1, proposed.hit_count()));
  chunk.set_created_at_ms(unix_millis(now));
  chunk.set_first_seen_ms(unix_millis(now));
  chunk.set_last_seen_ms(unix_millis(now));
  describe(chunk);
  TRY(check_size(chunk, kept_limit));  // a canonical rule says what the proposed one left out
  return chunk;
}

class Intake {
 public:
  Intake(const CallContext& call, const SandboxRow& sandbox, bool fold)
      : call_(call), book_(call, sandbox), fold_(fold) {}

  Result<> begin() {
    TRY_ASSIGN(entries_, book_.entries());
    std::erase_if(entries_, [](const Entry& each) { return each.chunk.status() != "pending"; });
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (fold_) by_key_.emplace(fold_key(entries_[i].chunk), i);
    return {};
  }

  // The id that the proposal has now.
  Result<std::string> take(const v1::PolicyChunk& proposed) {
    TRY_ASSIGN(v1::PolicyChunk chunk, taken_over(proposed, call_.now()));
    const std::string key = fold_ ? fold_key(chunk) : "";
    if (const auto same = by_key_.find(key); fold_ && same != by_key_.end())
      return count_again(same->second, chunk);
    if (entries_.size() >= DraftBook::chunks_limit)
      return fail(Code::exhausted, "the sandbox has 200 pending proposals; decide or clear some");
    if (fold_) by_key_.emplace(key, entries_.size());
    changed_.insert(entries_.size());
    entries_.push_back({std::move(chunk), 0});
    return entries_.back().chunk.id();
  }

  // Writes what was taken: each proposal once, however often it came.
  Result<> finish() {
    for (const std::size_t index : changed_) {
      const Entry& entry = entries_[index];
      const Result<> put = book_.put(entry);
      // Somebody has decided on it meanwhile, and that stays; only the count is lost.
      if (!put && put.error().code == Code::conflict && entry.version > 0) continue;
      TRY(put);
    }
    return {};
  }

 private:
  std::string count_again(std::size_t index, const v1::PolicyChunk& proposed) {
    Entry& entry = entries_[index];
    constexpr std::int32_t most = 1'000'000'000;
    const std::int32_t more = std::min(most, std::max(1, proposed.hit_count()));
    entry.chunk.set_hit_count(std::min(most, entry.chunk.hit_count()) + more);
    entry.chunk.set_last_seen_ms(unix_millis(call_.now()));
    changed_.insert(index);
    return entry.chunk.id();
  }

  const CallContext& call_;
  DraftBook book_;
  bool fold_;
  std::vector<Entry> entries_;                 // that are pending
  std::map<std::string, std::size_t> by_key_;  // fold_key → which entry
  std::set<std::size_t> changed_;              // entries that finish() writes
};

}  // namespace

void describe(v1::PolicyChunk& chunk) {
  const auto& rule = chunk.proposed_rule();
  std::string programs;
  bool any = rule.binaries().empty(), pattern = false;
  for (const auto& binary : rule.binaries()) {
    programs += (programs.empty() ? "" : ", ") + binary.path();
    any = any || binary.path().find_first_not_of("/*") == std::string::npos;
    pattern = pattern || binary.path().find_first_of("*?[") != std::string::npos;
  }
  Notes notes;
  notes.add(any, "any program may use it");
  notes.add(!any && pattern, "programs are named by a pattern");
  for (const auto& endpoint : rule.endpoints()) note(endpoint, notes);
  chunk.set_binary(programs.empty() ? "any program" : programs);
  chunk.set_security_notes(notes.text());
}

Result<> submit_analysis(const CallContext& call, const v1::SubmitPolicyAnalysisRequest& request,
                         v1::SubmitPolicyAnalysisResponse& response) {
  TRY_ASSIGN(const SandboxRow sandbox,
             addressed_sandbox(call, request.name(), request.workspace()));
  if (request.proposed_chunks_size() > chunks_per_call)
    return fail(Code::invalid, "proposed_chunks: more than 20 in one call");
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
  TRY(intake.finish());
  response.set_accepted_chunks(accepted);
  response.set_rejected_chunks(rejected);
  if (accepted == 0) return {};
  return DraftBook(call, sandbox)
      .note("analysis_cycle",
            std::to_string(accepted) + " proposals, " + std::to_string(rejected) + " refused", "");
}

}  // namespace keyward::gateway
