#pragma once
// SQLite's C interface as values: a connection, prepared statements, transactions.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::gateway {

class Database {
 public:
  static Result<Database> open(const std::string& path);
  Result<> run(const char* sql);  // statements without parameters or rows
  tl::unexpected<Error> error(std::string_view what) const;
  sqlite3* handle() const { return handle_.get(); }
  int changes() const { return sqlite3_changes(handle_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

// One execution of one statement.
class Query {
 public:
  static Result<Query> prepare(const Database& database, std::string_view sql);
  Query& text(std::string_view value);  // binds the next parameter; the bytes are copied
  Query& blob(std::string_view value);
  Query& number(std::int64_t value);
  Result<bool> step();  // true: a row is there
  Result<> finish();    // for statements without rows
  std::string column_text(int index) const;
  std::int64_t column_number(int index) const {
    return sqlite3_column_int64(statement_.get(), index);
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  const Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_ = 1;
};

// Rolled back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace keyward::gateway
