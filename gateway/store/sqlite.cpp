#include "gateway/store/sqlite.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/unique_fd.hpp"

namespace keyward::gateway {

Result<Database> Database::open(const std::string& path) {
  // Made here first, so that it is never readable to others, whatever the umask is; SQLite's -wal
  // and -shm follow its mode.
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return fail_errno("--database " + path);
  if ((status.st_mode & 077) != 0)
    return fail(Code::denied,
                "--database " + path + ": group or others can read it; run: chmod 600 " + path);
  Database database;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  database.handle_.reset(handle);
  if (code != SQLITE_OK) return fail(Code::io, "--database " + path + ": " + sqlite3_errstr(code));
  sqlite3_busy_timeout(handle, 5000);
  TRY(database.run("PRAGMA journal_mode=WAL"));
  TRY(database.run("PRAGMA synchronous=FULL"));  // an answer is given only after fsync
  TRY(database.run("PRAGMA foreign_keys=ON"));
  TRY(database.run("PRAGMA secure_delete=ON"));
  return database;
}

tl::unexpected<Error> Database::error(std::string_view what) const {
  const Code code =
      sqlite3_extended_errcode(handle_.get()) == SQLITE_CONSTRAINT_UNIQUE ? Code::exists : Code::io;
  return fail(code, "database: " + std::string(what) + ": " + sqlite3_errmsg(handle_.get()));
}

Result<> Database::run(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return error("statement");
  return {};
}

Result<Query> Query::prepare(const Database& database, std::string_view sql) {
  Query query;
  query.database_ = &database;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK)
    return database.error("prepare");
  query.statement_.reset(statement);
  return query;
}

Query& Query::text(std::string_view value) {
  sqlite3_bind_text(statement_.get(), next_++, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Query& Query::blob(std::string_view value) {
  sqlite3_bind_blob(statement_.get(), next_++, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Query& Query::number(std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), next_++, value);
  return *this;
}

Result<bool> Query::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error("execute");
}

Result<> Query::finish() {
  TRY_ASSIGN([[maybe_unused]] const bool row, step());
  return {};
}

std::string Query::column_text(int index) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), index);
  const int size = sqlite3_column_bytes(statement_.get(), index);
  return bytes == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.run("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Result<> Transaction::commit() {
  TRY(database_->run("COMMIT"));
  database_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->run("ROLLBACK");
}

}  // namespace keyward::gateway
