// SQLite: one file, one connection, which threads use in turn.

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <mutex>

#include "base/unique_fd.hpp"
#include "gateway/store/sql.hpp"

namespace keyward::gateway {
namespace {

constexpr int busy_timeout = 5000;  // ms; for a backup program that holds the file

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Code code_of(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
      return Code::exists;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return Code::denied;
    default:
      return (extended & 0xff) == SQLITE_BUSY ? Code::conflict : Code::io;
  }
}

void bind(sqlite3_stmt* statement, int index, const SqlParameter& parameter) {
  if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
    sqlite3_bind_int64(statement, index, *number);
    return;
  }
  const auto* blob = std::get_if<Blob>(&parameter);
  const std::string_view bytes =
      blob != nullptr ? blob->bytes : std::get<std::string_view>(parameter);
  const char* data = bytes.data() == nullptr ? "" : bytes.data();  // a null pointer would be NULL
  const int size = static_cast<int>(bytes.size());
  if (blob != nullptr)
    sqlite3_bind_blob(statement, index, data, size, SQLITE_STATIC);
  else
    sqlite3_bind_text(statement, index, data, size, SQLITE_STATIC);
}

SqlCell cell_of(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return {};
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, column);
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const int size = sqlite3_column_bytes(statement, column);
      return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
    }
  }
}

class SqliteSession final : public SqlSession {
 public:
  explicit SqliteSession(Handle handle) : handle_(std::move(handle)) {}

  Result<SqlResult> run(std::string_view sql,
                        std::initializer_list<SqlParameter> parameters) override {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &raw,
                           nullptr) != SQLITE_OK)
      return error();
    const Statement statement(raw);
    int index = 1;
    for (const SqlParameter& parameter : parameters) bind(raw, index++, parameter);
    SqlResult result;
    for (;;) {
      const int code = sqlite3_step(raw);
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return error();
      SqlRow row;
      for (int i = 0; i < sqlite3_column_count(raw); ++i) row.cells.push_back(cell_of(raw, i));
      result.rows.push_back(std::move(row));
    }
    result.changed = sqlite3_changes(handle_.get());
    return result;
  }

  Result<> script(const char* sql) override {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
  }

  Result<> begin() override { return script("BEGIN IMMEDIATE"); }
  Result<> begin_migration() override { return begin(); }

  Result<std::int64_t> schema_version() override {
    TRY_ASSIGN(const SqlResult result, run("PRAGMA user_version", {}));
    return result.rows.at(0).number(0);
  }
  Result<> set_schema_version(std::int64_t version) override {
    return script(("PRAGMA user_version=" + std::to_string(version)).c_str());
  }

 private:
  tl::unexpected<Error> error() const {
    return fail(code_of(sqlite3_extended_errcode(handle_.get())),
                std::string("database: ") + sqlite3_errmsg(handle_.get()));
  }

  Handle handle_;
};

class SqliteDatabase final : public SqlDatabase {
 public:
  explicit SqliteDatabase(Handle handle) : session_(std::move(handle)) {}
  Result<SqlLease> lease() override {
    mutex_.lock();
    return SqlLease(&session_, [this](SqlSession*) { mutex_.unlock(); });
  }
  // synchronous=FULL: an answer is given only after fsync.
  Result<> set_up() {
    TRY(
        session_.script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                        "PRAGMA secure_delete=ON"));
    TRY_ASSIGN(const SqlResult check, session_.run("PRAGMA quick_check(1)", {}));
    const std::string found = check.rows.empty() ? std::string() : check.rows[0].text(0);
    return found == "ok" ? Result<>() : fail(Code::io, "damaged: " + found);
  }

 private:
  std::mutex mutex_;
  SqliteSession session_;
};

}  // namespace

Result<std::unique_ptr<SqlDatabase>> open_sqlite(const std::string& path) {
  // Made here first, so that it is never readable to others, whatever the umask is; SQLite's -wal
  // and -shm follow its mode.
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return fail_errno("--database " + path);
  if ((status.st_mode & 077) != 0)
    return fail(Code::denied,
                "--database " + path + ": group or others can read it; run: chmod 600 " + path);
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  Handle handle(raw);
  if (code != SQLITE_OK) return fail(Code::io, "--database " + path + ": " + sqlite3_errstr(code));
  sqlite3_busy_timeout(raw, busy_timeout);
  auto database = std::make_unique<SqliteDatabase>(std::move(handle));
  if (Result<> done = database->set_up(); !done)
    return fail(Code::io, "--database " + path + ": " + done.error().what +
                              "; restore the file from a backup, or move it away and begin anew");
  return database;
}

}  // namespace keyward::gateway
