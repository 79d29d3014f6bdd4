// PostgreSQL through libpq: several connections, for several replicas of the gateway.

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/bytes.hpp"
#include "gateway/store/sql.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t connection_count = 8;
constexpr const char* connect_timeout = "5";  // seconds
// A server that is stopped, or whose machine is gone, answers nothing: neither its own timeouts nor
// the kernel's end a call then.  A little more than statement_timeout, whose answer says more.
constexpr std::chrono::milliseconds answer_limit{6'000}, migration_limit{60'000};
constexpr std::chrono::seconds lease_limit{4};
constexpr std::int64_t migration_lock = 0x6b657977617264;  // "keyward"; any number of our own

// For each connection: an answer is given only after the server's fsync, and no statement hangs.
constexpr const char* session_settings =
    "SET synchronous_commit = on; SET statement_timeout = '5s'; SET client_min_messages = warning;"
    "SET idle_in_transaction_session_timeout = '10s'";

// Object ids of pg_type.dat, which never change.
constexpr Oid bool_type = 16, int8_type = 20, int4_type = 23;
constexpr int binary = 1;

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Answer = std::unique_ptr<PGresult, Clear>;

// SQLSTATE, PostgreSQL's appendix A.
Code code_of(std::string_view state) {
  if (state == "23505") return Code::exists;                        // unique_violation
  if (state == "23503") return Code::denied;                        // foreign_key_violation
  if (state == "40001" || state == "40P01") return Code::conflict;  // serialization, deadlock
  // connection, resources, an administrator's shutdown, statement_timeout
  if (state.starts_with("08") || state.starts_with("53") || state.starts_with("57"))
    return Code::unavailable;
  return Code::io;
}

std::string with_numbers(std::string_view sql) {
  std::string text;
  int number = 0;
  for (const char c : sql) text += c == '?' ? "$" + std::to_string(++number) : std::string(1, c);
  return text;
}

std::int64_t big_endian(const char* bytes, int size) {
  std::uint64_t value = size == 4 && (bytes[0] & 0x80) != 0 ? ~0ULL : 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

SqlCell cell_of(const PGresult* answer, int row, int column) {
  if (PQgetisnull(answer, row, column) != 0) return {};
  const char* bytes = PQgetvalue(answer, row, column);
  const int size = PQgetlength(answer, row, column);
  switch (PQftype(answer, column)) {
    case bool_type:
    case int4_type:
    case int8_type:
      return big_endian(bytes, size);
    default:
      return std::string(bytes, static_cast<std::size_t>(size));
  }
}

// What PQexecParams wants, from a list of parameters.
struct Arguments {
  explicit Arguments(std::initializer_list<SqlParameter> parameters) {
    texts.reserve(parameters.size());
    for (const SqlParameter& parameter : parameters) add(parameter);
    for (const std::string& text : texts) {
      values.push_back(text.c_str());
      lengths.push_back(static_cast<int>(text.size()));
    }
  }
  void add(const SqlParameter& parameter) {
    const auto* number = std::get_if<std::int64_t>(&parameter);
    const auto* blob = std::get_if<Blob>(&parameter);
    formats.push_back(blob != nullptr ? binary : 0);
    if (number != nullptr)
      texts.push_back(std::to_string(*number));
    else
      texts.emplace_back(blob != nullptr ? blob->bytes : std::get<std::string_view>(parameter));
  }
  std::vector<std::string> texts;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
};

class PostgresSession final : public SqlSession {
 public:
  explicit PostgresSession(std::string url) : url_(std::move(url)) {}

  // Before each use: the server may have been restarted since the last one.
  Result<> connect() {
    const bool alive = connection_ && PQconsumeInput(connection_.get()) == 1 &&
                       PQstatus(connection_.get()) == CONNECTION_OK;
    if (alive) return {};
    // The URL may set what comes before it.
    constexpr std::array names = {"tcp_user_timeout",
                                  "keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "dbname",
                                  "connect_timeout",
                                  "application_name",
                                  static_cast<const char*>(nullptr)};
    const std::array values = {"10000",
                               "10",
                               "3",
                               "3",
                               url_.c_str(),
                               connect_timeout,
                               "keyward-gateway",
                               static_cast<const char*>(nullptr)};
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      return fail(Code::unavailable, "--database: " + message());
    if (PQsetnonblocking(connection_.get(), 1) != 0)
      return fail(Code::unavailable, "--database: " + message());
    return execute(session_settings, answer_limit);
  }

  Result<SqlResult> run(std::string_view sql,
                        std::initializer_list<SqlParameter> parameters) override {
    TRY(check_parameters(parameters));
    const Arguments arguments(parameters);
    if (!connection_) return gone();
    if (PQsendQueryParams(connection_.get(), with_numbers(sql).c_str(),
                          static_cast<int>(arguments.values.size()), nullptr,
                          arguments.values.data(), arguments.lengths.data(),
                          arguments.formats.data(), binary) == 0)
      return fail(Code::unavailable, "database: " + message());
    TRY_ASSIGN(const Answer answer, await_answer(answer_limit));
    TRY(check(answer.get()));
    SqlResult result;
    for (int i = 0; i < PQntuples(answer.get()); ++i) {
      SqlRow row;
      for (int j = 0; j < PQnfields(answer.get()); ++j)
        row.cells.push_back(cell_of(answer.get(), i, j));
      result.rows.push_back(std::move(row));
    }
    const std::string changed = PQcmdTuples(answer.get());  // "" for statements that change nothing
    result.changed = changed.empty() ? 0 : std::stoll(changed);
    return result;
  }

  Result<> script(const char* sql) override { return execute(sql, migration_limit); }

  Result<> begin() override { return execute("BEGIN ISOLATION LEVEL SERIALIZABLE", answer_limit); }

  Result<> begin_migration() override {
    TRY(execute("BEGIN", answer_limit));
    // Kept until the transaction ends; what follows sees what the replica before us has done.
    TRY(run("SELECT pg_advisory_xact_lock(?)", {migration_lock}));
    return {};
  }

  Result<std::int64_t> schema_version() override {
    TRY(script("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"));
    TRY_ASSIGN(const SqlResult found, run("SELECT version FROM schema_version", {}));
    if (!found.rows.empty()) return found.rows[0].number(0);
    TRY(script("CREATE DOMAIN blob AS BYTEA; INSERT INTO schema_version VALUES (0)"));
    return 0;
  }
  Result<> set_schema_version(std::int64_t version) override {
    TRY(run("UPDATE schema_version SET version = ?", {version}));
    return {};
  }

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Result<> execute(const char* sql, std::chrono::milliseconds limit) {
    if (!connection_) return gone();
    if (PQsendQuery(connection_.get(), sql) == 0)
      return fail(Code::unavailable, "database: " + message());
    TRY_ASSIGN(const Answer answer, await_answer(limit));
    return check(answer.get());
  }

  // Where a statement before this one had no answer.
  static tl::unexpected<Error> gone() {
    return fail(Code::unavailable, "database: the connection is gone");
  }

  // The last result of what was sent, which is the error where there is one.  A server that does
  // not answer in time loses the connection: what it makes of the statement is not known.
  Result<Answer> await_answer(std::chrono::milliseconds limit) {
    const Deadline deadline = std::chrono::steady_clock::now() + limit;
    Answer last;
    for (;;) {
      if (!await_result(deadline)) {
        connection_.reset();
        return fail(Code::unavailable, "database: the server does not answer");
      }
      Answer next(PQgetResult(connection_.get()));
      if (!next) return last;
      last = std::move(next);
      if (PQstatus(connection_.get()) != CONNECTION_OK) return last;
    }
  }

  // Until PQgetResult does not wait: a result, its end, or a connection that is broken.  False: not
  // in time.
  bool await_result(Deadline deadline) {
    for (;;) {
      const int unsent = PQflush(connection_.get());
      if (unsent == 0 && PQisBusy(connection_.get()) == 0) return true;
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      pollfd socket{PQsocket(connection_.get()),
                    static_cast<short>(POLLIN | (unsent == 1 ? POLLOUT : 0)), 0};
      if (socket.fd < 0) return true;
      if (::poll(&socket, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) return false;
      if (PQconsumeInput(connection_.get()) == 0) return true;
    }
  }

  std::string message() const {  // on one line
    std::string text(trim(PQerrorMessage(connection_.get())));
    std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    return text;
  }

  Result<> check(const PGresult* answer) const {
    const ExecStatusType status = PQresultStatus(answer);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      return fail(Code::unavailable, "database: " + message());
    const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    return fail(code_of(state == nullptr ? "" : state), "database: " + message());
  }

  std::string url_;
  Connection connection_;
};

class PostgresDatabase final : public SqlDatabase {
 public:
  explicit PostgresDatabase(const std::string& url) {
    for (std::size_t i = 0; i < connection_count; ++i) {
      sessions_.push_back(std::make_unique<PostgresSession>(url));
      free_.push_back(sessions_.back().get());
    }
  }

  Result<SqlLease> lease() override {
    std::unique_lock lock(mutex_);
    if (!available_.wait_for(lock, lease_limit, [this] { return !free_.empty(); }))
      return fail(Code::unavailable, "database: every connection waits for the server");
    PostgresSession* session = free_.back();  // the last used one: the others may never connect
    free_.pop_back();
    lock.unlock();
    SqlLease lease(session, [this, session](SqlSession*) { give_back(session); });
    TRY(session->connect());
    return lease;
  }

  // PostgreSQL itself syncs once for the transactions that commit at the same time.
  Result<> transact_together(const Work& work) override { return transact(*this, work); }

 private:
  void give_back(PostgresSession* session) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(session);
    }
    available_.notify_one();
  }

  std::vector<std::unique_ptr<PostgresSession>> sessions_;
  std::mutex mutex_;
  std::condition_variable available_;
  std::vector<PostgresSession*> free_;
};

Result<> refuse_password(const std::string& url) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(url.c_str(), &problem));
  // The text may hold part of the URL, and so of a password: it is not shown.
  const std::unique_ptr<char, decltype(&PQfreemem)> owned(problem, &PQfreemem);
  if (!options)
    return fail(Code::invalid, "--database: not a valid postgresql://USER@HOST[:PORT]/DATABASE");
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const bool given = option->val != nullptr && *option->val != '\0';
    if (given && std::string_view(option->dispchar) == "*")
      return fail(Code::denied, "--database: " + std::string(option->keyword) +
                                    " in the URL: every user of this machine can read it; put it "
                                    "into a file, mode 0600, that PGPASSFILE names");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlDatabase>> open_postgres(const std::string& url) {
  TRY(refuse_password(url));
  auto database = std::make_unique<PostgresDatabase>(url);
  TRY([&]() -> Result<> {
    TRY_ASSIGN([[maybe_unused]] const SqlLease first, database->lease());
    return {};
  }());
  return database;
}

}  // namespace keyward::gateway
