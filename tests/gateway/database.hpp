#pragma once
// A fresh database for one test: a file, or with KEYWARD_TEST_POSTGRES (a URL) a schema of its own
// in that server.  The tests that use it run with both.

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "gateway/store/sql.hpp"
#include "tests/support/test_directory.hpp"

namespace keyward::gateway {

class TestDatabase {
 public:
  TestDatabase() {
    if (!is_postgres()) return;
    static std::atomic<int> count{0};
    schema_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    server("CREATE SCHEMA " + schema_);
  }
  ~TestDatabase() {
    if (is_postgres()) server("DROP SCHEMA " + schema_ + " CASCADE");
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  static bool is_postgres() { return url() != nullptr; }
  const std::string& directory() const { return directory_.path(); }

  // What --database takes.
  std::string name() const {
    if (!is_postgres()) return directory_ / "gateway.db";
    return std::string(url()) + "&options=-csearch_path%3D" + schema_;
  }

  // Behind the store's back.
  void change(const std::string& sql) const { run(name(), sql); }

 private:
  static const char* url() { return std::getenv("KEYWARD_TEST_POSTGRES"); }
  static void server(const std::string& sql) { run(url(), sql); }
  static void run(const std::string& database, const std::string& sql) {
    auto opened = is_postgres() ? open_postgres(database) : open_sqlite(database);
    REQUIRE(opened);
    auto session = (*opened)->lease();
    REQUIRE(session);
    REQUIRE((*session)->script(sql.c_str()));
  }

  tests::TestDirectory directory_;
  std::string schema_;
};

}  // namespace keyward::gateway
