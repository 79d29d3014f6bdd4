#include "gateway/rpc/draft_book.hpp"

#include "gateway/rpc/draft_intake.hpp"
#include "gateway/rpc/policy_rows.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr const char* chunk_kind = "draft";
constexpr const char* history_kind = "draft-history";
constexpr int attempts_limit = 8;

Result<DraftBook::Entry> read_entry(const RecordRow& row) {
  DraftBook::Entry entry;
  entry.version = row.version;
  if (!entry.chunk.ParseFromString(row.body))
    return fail(Code::internal, "a stored proposal is unreadable");
  describe(entry.chunk);  // here, so that it is true of edited ones and of those of older gateways
  return entry;
}

// A sandbox can propose without end; what people did must not be pushed out by that.
void drop_oldest(v1::GetDraftHistoryResponse& events) {
  auto& entries = *events.mutable_entries();
  auto drop = std::find_if(entries.begin(), entries.end(), [](const auto& entry) {
    return entry.event_type() == "analysis_cycle";
  });
  if (drop == entries.end()) drop = entries.begin();
  entries.erase(drop);
}

}  // namespace

Result<std::vector<DraftBook::Entry>> DraftBook::entries() const {
  TRY_ASSIGN(const auto rows, call_.store().records(chunk_kind, sandbox_.id));
  std::vector<Entry> entries;
  for (const RecordRow& row : rows) {
    TRY_ASSIGN(Entry entry, read_entry(row));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<DraftBook::Entry> DraftBook::find(const std::string& id, const std::string& status) const {
  const auto row = call_.store().record({chunk_kind, sandbox_.id, id});
  if (!row && row.error().code == Code::not_found)
    return fail(Code::not_found, "draft chunk not found");
  if (!row) return tl::unexpected(row.error());
  TRY_ASSIGN(Entry entry, read_entry(*row));
  if (entry.chunk.status() == status) return entry;
  return fail(Code::precondition, "the draft chunk is " + entry.chunk.status() + ", not " + status);
}

Result<> DraftBook::put(const Entry& entry) {
  TRY(call_.store().put_record({{chunk_kind, sandbox_.id, entry.chunk.id()},
                                serialize(entry.chunk),
                                call_.now(),
                                entry.version}));
  return {};
}

Result<> DraftBook::decide(Entry entry, const std::string& was) {
  const std::string rule = serialize(entry.chunk.proposed_rule());
  for (int attempt = 1;; ++attempt) {
    Result<> done = put(entry);
    if (done || done.error().code != Code::conflict || attempt == attempts_limit) return done;
    TRY_ASSIGN(const Entry now, find(entry.chunk.id(), was));
    if (serialize(now.chunk.proposed_rule()) != rule) return done;
    entry.version = now.version;
    entry.chunk.set_hit_count(now.chunk.hit_count());
    entry.chunk.set_last_seen_ms(now.chunk.last_seen_ms());
  }
}

Result<bool> DraftBook::discard(const std::string& id) {
  auto entry = find(id, "pending");
  if (entry) {
    // First refused, then gone: whoever is about to approve it finds that it has changed.
    entry->chunk.set_status("rejected");
    const Result<> refused = decide(*entry, "pending");
    if (!refused) entry = tl::unexpected(refused.error());
  }
  if (entry) return call_.store().delete_record({chunk_kind, sandbox_.id, id});
  const Code code = entry.error().code;
  if (code == Code::not_found || code == Code::precondition || code == Code::conflict) return false;
  return tl::unexpected(entry.error());
}

Result<> DraftBook::trim() {
  TRY_ASSIGN(auto decided, entries());
  std::erase_if(decided, [](const Entry& each) { return each.chunk.status() == "pending"; });
  if (decided.size() <= decided_limit) return {};
  std::stable_sort(decided.begin(), decided.end(), [](const Entry& a, const Entry& b) {
    return a.chunk.decided_at_ms() < b.chunk.decided_at_ms();
  });
  decided.resize(decided.size() - decided_limit);
  for (const Entry& old : decided) {
    const Result<> unchanged = put(old);  // an undone one is pending again
    if (!unchanged && unchanged.error().code == Code::conflict) continue;
    TRY(unchanged);
    TRY(call_.store().delete_record({chunk_kind, sandbox_.id, old.chunk.id()}));
  }
  return {};
}

Result<> DraftBook::note(const std::string& event, const std::string& description,
                         const std::string& chunk_id) {
  for (int attempt = 1;; ++attempt) {
    const RecordKey key{history_kind, sandbox_.id, history_kind};
    const auto there = call_.store().record(key);
    if (!there && there.error().code != Code::not_found) return tl::unexpected(there.error());
    TRY_ASSIGN(v1::GetDraftHistoryResponse events, history());
    auto& entry = *events.add_entries();
    entry.set_timestamp_ms(unix_millis(call_.now()));
    entry.set_event_type(event);
    entry.set_description(description);
    entry.set_chunk_id(chunk_id);
    if (events.entries_size() > static_cast<int>(history_limit)) drop_oldest(events);
    const auto put =
        call_.store().put_record({key, serialize(events), call_.now(), there ? there->version : 0});
    if (put) return {};
    const Code code = put.error().code;
    if ((code != Code::conflict && code != Code::exists) || attempt == attempts_limit)
      return tl::unexpected(put.error());
  }
}

Result<v1::GetDraftHistoryResponse> DraftBook::history() const {
  v1::GetDraftHistoryResponse events;
  const auto row = call_.store().record({history_kind, sandbox_.id, history_kind});
  if (!row && row.error().code == Code::not_found) return events;
  if (!row) return tl::unexpected(row.error());
  if (!events.ParseFromString(row->body))
    return fail(Code::internal, "a stored history is unreadable");
  return events;
}

}  // namespace keyward::gateway
