#include "gateway/rpc/draft_book.hpp"

#include "gateway/rpc/policy_rows.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr const char* chunk_kind = "draft";
constexpr const char* history_kind = "draft-history";
constexpr int note_attempts = 8;

Result<DraftBook::Entry> read_entry(const RecordRow& row) {
  DraftBook::Entry entry;
  entry.version = row.version;
  if (!entry.chunk.ParseFromString(row.body))
    return fail(Code::internal, "a stored proposal is unreadable");
  return entry;
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

Result<> DraftBook::remove(const std::string& id) {
  TRY(call_.store().delete_record({chunk_kind, sandbox_.id, id}));
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
    const int excess = events.entries_size() - static_cast<int>(history_limit);
    if (excess > 0) events.mutable_entries()->DeleteSubrange(0, excess);
    const auto put =
        call_.store().put_record({key, serialize(events), call_.now(), there ? there->version : 0});
    if (put) return {};
    const Code code = put.error().code;
    if ((code != Code::conflict && code != Code::exists) || attempt == note_attempts)
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
