#include "base/bytes.hpp"
#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

// False: another version is there.
Result<bool> put_in(SqlSession& session, const RecordRow& row) {
  const auto& [kind, owner, name] = row.key;
  if (row.version == 0) {
    const auto inserted = session.run(
        "INSERT INTO records (kind, owner, name, version, created, body) VALUES (?, ?, ?, 1, ?, ?)",
        {kind, owner, name, millis(row.created), Blob{row.body}});
    if (inserted) return true;
    if (inserted.error().code != Code::exists) return tl::unexpected(inserted.error());
    return fail(Code::exists, kind + " '" + name + "' already exists");
  }
  TRY_ASSIGN(
      const SqlResult done,
      session.run("UPDATE records SET body = ?, version = version + 1"
                  " WHERE kind = ? AND owner = ? AND name = ? AND version = ?",
                  {Blob{row.body}, kind, owner, name, static_cast<std::int64_t>(row.version)}));
  return done.changed > 0;
}

tl::unexpected<Error> fail_changed(const RecordKey& key) {
  return fail(Code::conflict,
              key.kind + " '" + key.name + "' has changed meanwhile; read it and try again");
}

}  // namespace

RecordRow record_of(const SqlRow& cells) {
  return {{cells.text(0), cells.text(1), cells.text(2)},
          cells.text(3),
          time_of(cells.number(4)),
          static_cast<std::uint64_t>(cells.number(5))};
}

Result<> check_version(SqlSession& session, const std::optional<RecordVersion>& record) {
  if (!record) return {};
  const auto& [kind, owner, name] = record->key;
  TRY_ASSIGN(const SqlResult found,
             session.run("SELECT 1 FROM records"
                         " WHERE kind = ? AND owner = ? AND name = ? AND version = ?",
                         {kind, owner, name, static_cast<std::int64_t>(record->version)}));
  if (!found.rows.empty()) return {};
  return fail(Code::precondition,
              kind + " '" + name + "' has changed or is gone meanwhile; look at it and try again");
}

Result<std::uint64_t> SqlStore::put_record(const RecordRow& row,
                                           const std::optional<ProviderCheck>& check) {
  TRY_ASSIGN(const bool put, transact(*database_, [&](SqlSession& session) -> Result<bool> {
               TRY(ask(session, check));
               TRY_ASSIGN(const bool done, put_in(session, row));
               if (done) TRY(ask_rule_of_type(session, row.key));
               return done;
             }));
  if (put) return row.version + 1;
  return fail_changed(row.key);
}

Result<> SqlStore::put_records(const std::vector<RecordRow>& rows) {
  return transact(*database_, [&](SqlSession& session) -> Result<> {
    for (const RecordRow& row : rows) {
      TRY_ASSIGN(const bool put, put_in(session, row));
      if (!put) return fail_changed(row.key);
      TRY(ask_rule_of_type(session, row.key));
    }
    return {};
  });
}

Result<RecordRow> SqlStore::record(const RecordKey& key) {
  TRY_ASSIGN(const SqlResult found,
             read(std::string(select_records) + "kind = ? AND owner = ? AND name = ?",
                  {key.kind, key.owner, key.name}));
  if (found.rows.empty())
    return fail(Code::not_found,
                key.kind + " '" + std::string(utf8_prefix(key.name, 63)) + "' not found");
  return record_of(found.rows.front());
}

Result<std::vector<RecordRow>> SqlStore::records(const std::string& kind,
                                                 const std::string& owner) {
  TRY_ASSIGN(const SqlResult found,
             read(std::string(select_records) + "kind = ? AND owner = ? ORDER BY created, name",
                  {kind, owner}));
  std::vector<RecordRow> rows;
  for (const SqlRow& row : found.rows) rows.push_back(record_of(row));
  return rows;
}

Result<bool> SqlStore::delete_record(const RecordKey& key,
                                     const std::optional<ProviderCheck>& check) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    TRY(ask(session, check));
    TRY_ASSIGN(const SqlResult done,
               session.run("DELETE FROM records WHERE kind = ? AND owner = ? AND name = ?",
                           {key.kind, key.owner, key.name}));
    return done.changed > 0;
  });
}

}  // namespace keyward::gateway
