#pragma once
// What the gateway's tests share: a directory that goes away, a clock that is set by hand, a
// gateway's parts over a fresh store.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/crypto.hpp"
#include "gateway/audit.hpp"
#include "gateway/authn/authenticator.hpp"
#include "gateway/issue/issuer.hpp"
#include "gateway/metrics.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {

class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keyward-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct TestClock final : Clock {
  TimePoint time{std::chrono::milliseconds{1'800'000'000'000}};
  TimePoint now() const override { return time; }
};

inline std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline SandboxRow sandbox_row(const std::string& name) {
  SandboxRow row;
  row.id = random_uuid();
  row.name = name;
  return row;
}

// Two sandboxes, `a` and `b`, and everything that serves them.
struct TestGateway {
  TestDirectory directory;
  TestClock clock;
  Secret key{std::string(32, 'k')};
  std::unique_ptr<Store> store = *open_sqlite_store(directory / "gateway.db", key);
  KeyRing ring{identity::generate_signing_key()};
  Issuer issuer{ring, "test", std::chrono::seconds(3600), *store};
  Authenticator authenticator{ring, issuer.rules(), *store};
  std::unique_ptr<AuditLog> audit = *AuditLog::open(directory / "audit.jsonl", clock);
  Metrics metrics;
  SandboxRow a = sandbox_row("a"), b = sandbox_row("b");

  TestGateway() {
    REQUIRE(store->create_sandbox(a, {}));
    REQUIRE(store->create_sandbox(b, {}));
  }
  std::string token(const SandboxRow& sandbox) {
    return std::string(issuer.issue(sandbox.id, clock.now())->token.reveal());
  }
  Result<Principal> present(const std::string& token, const std::string& refresh_id = "") {
    const std::string header = "Bearer " + token;
    return authenticator.authenticate({header, refresh_id, !refresh_id.empty()}, clock.now());
  }
};

}  // namespace keyward::gateway
