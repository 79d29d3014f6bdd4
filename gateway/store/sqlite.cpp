// SQLite: one file; one connection that writes, which threads use in turn, and some that read.

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "base/unique_fd.hpp"
#include "gateway/store/sql.hpp"

namespace keyward::gateway {
namespace {

constexpr int busy_timeout = 5000;  // ms; for a backup program that holds the file
constexpr std::size_t readers = 2;

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
struct ResetStatement {
  void operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};
using Reset = std::unique_ptr<sqlite3_stmt, ResetStatement>;
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
    TRY(check_parameters(parameters));
    TRY_ASSIGN(sqlite3_stmt* const raw, prepared(sql));
    const Reset reset(raw);  // a statement that is not reset holds its locks
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
  // Kept: the store's statements are a fixed set of texts.
  Result<sqlite3_stmt*> prepared(std::string_view sql) {
    if (const auto found = statements_.find(sql); found != statements_.end())
      return found->second.get();
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
      return error();
    statements_.emplace(sql, Statement(raw));
    return raw;
  }

  tl::unexpected<Error> error() const {
    return fail(code_of(sqlite3_extended_errcode(handle_.get())),
                std::string("database: ") + sqlite3_errmsg(handle_.get()));
  }

  Handle handle_;
  std::map<std::string, Statement, std::less<>> statements_;  // end before the handle
};

// One connection and who uses it.
struct Turn {
  explicit Turn(Handle handle) : session(std::move(handle)) {}
  SqlLease take() {
    mutex.lock();
    return {&session, [this](SqlSession*) { mutex.unlock(); }};
  }
  std::mutex mutex;
  SqliteSession session;
};

class SqliteDatabase final : public SqlDatabase {
 public:
  explicit SqliteDatabase(std::vector<Handle> handles) : writer_(std::move(handles.back())) {
    handles.pop_back();
    for (Handle& handle : handles) readers_.push_back(std::make_unique<Turn>(std::move(handle)));
  }
  Result<SqlLease> lease() override { return writer_.take(); }
  Result<SqlLease> lease_to_read() override {
    return readers_[next_reader_.fetch_add(1) % readers_.size()]->take();
  }

  // Whoever comes first does the work of all that wait, and one sync is enough for them.
  Result<> transact_together(const Work& work) override {
    Waiting mine{&work};
    std::unique_lock lock(queue_mutex_);
    queue_.push_back(&mine);
    done_.wait(lock, [&] { return mine.finished || !busy_; });
    if (mine.finished) return std::move(mine.result);
    busy_ = true;
    const std::vector<Waiting*> batch = std::exchange(queue_, {});
    lock.unlock();
    std::vector<Result<>> results = run_together(batch);
    lock.lock();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i]->result = std::move(results[i]);
      batch[i]->finished = true;
    }
    busy_ = false;
    done_.notify_all();
    return std::move(mine.result);
  }

  // synchronous=FULL: an answer is given only after fsync.
  Result<> set_up() {
    SqliteSession& session = writer_.session;
    TRY(
        session.script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                       "PRAGMA secure_delete=ON"));
    for (const auto& reader : readers_) TRY(reader->session.script("PRAGMA query_only=ON"));
    TRY_ASSIGN(const SqlResult check, session.run("PRAGMA quick_check(1)", {}));
    const std::string found = check.rows.empty() ? std::string() : check.rows[0].text(0);
    return found == "ok" ? Result<>() : fail(Code::io, "damaged: " + found);
  }

 private:
  struct Waiting {
    const Work* work;
    Result<> result{};
    bool finished = false;
  };

  static Result<> run_undoable(SqlSession& session, const Work& work) {
    TRY(session.script("SAVEPOINT one"));
    Result<> done = work(session);
    if (!done) TRY(session.script("ROLLBACK TO one"));
    TRY(session.script("RELEASE one"));
    return done;
  }

  // One result for each.  Where the transaction as a whole fails, all have failed.
  std::vector<Result<>> run_together(const std::vector<Waiting*>& batch) {
    std::vector<Result<>> results;
    const Result<> committed = [&]() -> Result<> {
      const SqlLease session = writer_.take();
      TRY(session->begin());
      Transaction transaction(*session);
      for (const Waiting* each : batch) results.push_back(run_undoable(*session, *each->work));
      return transaction.commit();
    }();
    if (committed) return results;
    return std::vector<Result<>>(batch.size(), tl::unexpected(committed.error()));
  }

  Turn writer_;
  std::vector<std::unique_ptr<Turn>> readers_;
  std::atomic<std::size_t> next_reader_{0};

  std::mutex queue_mutex_;  // guards what follows
  std::condition_variable done_;
  std::vector<Waiting*> queue_;
  bool busy_ = false;  // somebody writes for a batch
};

Result<Handle> open_handle(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  Handle handle(raw);
  if (code != SQLITE_OK) return fail(Code::io, "--database " + path + ": " + sqlite3_errstr(code));
  sqlite3_busy_timeout(raw, busy_timeout);
  return handle;
}

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
  std::vector<Handle> handles;
  for (std::size_t i = 0; i < readers + 1; ++i) {
    TRY_ASSIGN(Handle handle, open_handle(path));
    handles.push_back(std::move(handle));
  }
  auto database = std::make_unique<SqliteDatabase>(std::move(handles));
  if (Result<> done = database->set_up(); !done)
    return fail(Code::io, "--database " + path + ": " + done.error().what +
                              "; restore the file from a backup, or move it away and begin anew");
  return database;
}

}  // namespace keyward::gateway
