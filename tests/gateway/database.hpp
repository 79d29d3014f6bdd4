#pragma once
// A fresh database for one test: a file, or with KEYWARD_TEST_POSTGRES (a URL) a schema of its own
// in that server.  The tests that use it run with both.

#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

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

  // The server's processes: the one that listens and its children.  Only with PostgreSQL.
  std::vector<pid_t> server_processes() const {
    auto opened = open_postgres(name());
    REQUIRE(opened);
    auto session = (*opened)->lease();
    REQUIRE(session);
    const auto own = (*session)->run("SELECT pg_backend_pid()");
    REQUIRE(own);
    const pid_t listener = parent_of(static_cast<pid_t>(own->rows.at(0).number(0)));
    REQUIRE(listener > 1);
    std::vector<pid_t> all = {listener};
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t process = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
      if (process > 1 && parent_of(process) == listener) all.push_back(process);
    }
    return all;
  }

  // The first cell of what is found, behind the store's back.
  std::string text(const std::string& sql) const {
    auto opened = is_postgres() ? open_postgres(name()) : open_sqlite(name());
    REQUIRE(opened);
    auto session = (*opened)->lease();
    REQUIRE(session);
    const auto found = (*session)->run(sql);
    REQUIRE(found);
    REQUIRE_FALSE(found->rows.empty());
    return found->rows[0].text(0);
  }
  // Behind the store's back.
  void change(const std::string& sql) const { run(name(), sql); }

 private:
  static pid_t parent_of(pid_t process) {
    std::ifstream status("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("PPid:")) return static_cast<pid_t>(std::atoi(line.c_str() + 5));
    return 0;
  }
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

// While it lives the server runs not, but the kernel still takes what is sent to it.
class StoppedPostgres {
 public:
  explicit StoppedPostgres(const TestDatabase& database) : processes_(database.server_processes()) {
    for (const pid_t process : processes_) ::kill(process, SIGSTOP);
  }
  ~StoppedPostgres() {
    for (const pid_t process : processes_) ::kill(process, SIGCONT);
  }
  StoppedPostgres(const StoppedPostgres&) = delete;
  StoppedPostgres& operator=(const StoppedPostgres&) = delete;

 private:
  std::vector<pid_t> processes_;
};

}  // namespace keyward::gateway
