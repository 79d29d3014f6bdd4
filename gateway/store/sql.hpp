#pragma once
// What the store asks of a relational database: SQLite or PostgreSQL behind one interface.  SQL is
// written once, in what both understand: BIGINT, TEXT and BLOB columns, `?` for each parameter,
// ON CONFLICT.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace keyward::gateway {

struct Blob {
  std::string_view bytes;
};
using SqlParameter = std::variant<std::int64_t, std::string_view, Blob>;  // bytes: until run() ends
using SqlCell = std::variant<std::monostate, std::int64_t, std::string>;  // monostate: NULL

// Code::invalid for a text with a NUL byte: PostgreSQL would take it for the text's end, and so
// find another name than the one that was checked.
Result<> check_parameters(std::initializer_list<SqlParameter> parameters);

struct SqlRow {
  std::vector<SqlCell> cells;
  std::string text(std::size_t column) const;     // "" for NULL and for numbers
  std::int64_t number(std::size_t column) const;  // 0 for NULL and for texts
};

struct SqlResult {
  std::vector<SqlRow> rows;
  std::int64_t changed = 0;  // rows that the statement inserted, updated or deleted
};

// One connection, used by one thread at a time.
class SqlSession {
 public:
  virtual ~SqlSession() = default;

  // One statement.  Code::exists: a value that must be unique is there; Code::denied: a row that
  // others refer to; Code::conflict: another transaction was in the way; Code::unavailable: no
  // answer from the server.
  virtual Result<SqlResult> run(std::string_view sql,
                                std::initializer_list<SqlParameter> parameters = {}) = 0;
  virtual Result<> script(const char* sql) = 0;  // several statements, no parameters

  // Transactions see the database as if they ran one after the other.
  virtual Result<> begin() = 0;
  // ... and nobody else changes the schema meanwhile.
  virtual Result<> begin_migration() = 0;
  virtual Result<std::int64_t> schema_version() = 0;  // 0: a new database
  virtual Result<> set_schema_version(std::int64_t version) = 0;
};

// A session for as long as it lives.
using SqlLease = std::unique_ptr<SqlSession, std::function<void(SqlSession*)>>;

class SqlDatabase {
 public:
  virtual ~SqlDatabase() = default;
  virtual Result<SqlLease> lease() = 0;  // any thread; waits for a free one
  // For a single reading statement: sees what was committed, and does not wait for who writes.
  virtual Result<SqlLease> lease_to_read() { return lease(); }
  // `work` in a transaction that is on disk when this returns.  A database that syncs once for each
  // transaction puts those that wait at the same time into one; a failed work undoes itself alone.
  // `work` may be run more than once.
  using Work = std::function<Result<>(SqlSession&)>;
  virtual Result<> transact_together(const Work& work) = 0;
};

// A file, made 0600; one that others can read is refused.
Result<std::unique_ptr<SqlDatabase>> open_sqlite(const std::string& path);
// postgresql://… without a password: an argument is readable to every user of the machine.  The
// password comes from PGPASSFILE or a service file (libpq's documentation).
Result<std::unique_ptr<SqlDatabase>> open_postgres(const std::string& url);
bool names_postgres(std::string_view database);  // postgresql:// or postgres://

// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(SqlSession& session) : session_(&session) {}  // has begun already
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  SqlSession* session_;
};

// A random moment that grows with each attempt (at most 0.2 s), so that those who met part.
void wait_for_others(int attempt);

// `work` in a transaction; once more when another one was in the way, at most `attempts` times.
template <class Work>
std::invoke_result_t<Work, SqlSession&> transact(SqlDatabase& database, Work work) {
  constexpr int attempts = 8;
  for (int attempt = 1;; ++attempt) {
    auto done = [&]() -> std::invoke_result_t<Work, SqlSession&> {
      TRY_ASSIGN(const SqlLease session, database.lease());
      TRY(session->begin());
      Transaction transaction(*session);
      auto worked = work(*session);
      if (!worked) return worked;
      TRY(transaction.commit());
      return worked;
    }();
    if (done || done.error().code != Code::conflict || attempt == attempts) return done;
    wait_for_others(attempt);
  }
}

}  // namespace keyward::gateway
