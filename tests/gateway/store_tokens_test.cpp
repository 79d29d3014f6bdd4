// Tokens in the store: refreshed, revoked, forgotten, damaged, and with a server that is stopped.
#include <thread>

#include "gateway/pruning.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("store: a refresh ends the old token, and its answer can be asked for again") {
  TestGateway gateway;
  const std::string old = gateway.token(gateway.a);
  const Principal caller = *gateway.present(old);

  const auto first = gateway.issuer.refresh(gateway.a.id, caller.jti, "id-1", gateway.clock.now());
  REQUIRE(first);
  CHECK_FALSE(gateway.present(old));          // nothing but the repeat
  CHECK_FALSE(gateway.present(old, "id-2"));  // of the same refresh
  REQUIRE(gateway.present(old, "id-1"));

  // The answer was lost: the repeat gets another token, and the lost one is dead.
  const auto second = gateway.issuer.refresh(gateway.a.id, caller.jti, "id-1", gateway.clock.now());
  REQUIRE(second);
  CHECK_FALSE(gateway.present(std::string(first->token.reveal())));

  // The first use of the new token ends the repeat.
  CHECK(gateway.present(std::string(second->token.reveal())));
  CHECK_FALSE(gateway.present(old, "id-1"));
  const auto late = gateway.issuer.refresh(gateway.a.id, caller.jti, "id-1", gateway.clock.now());
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::unauthenticated);
}

TEST_CASE("store: a refresh id cannot be read from the database, and those of old rows hold") {
  TestGateway gateway;
  const std::string old = gateway.token(gateway.a);
  const std::string jti = gateway.present(old)->jti;
  REQUIRE(gateway.issuer.refresh(gateway.a.id, jti, "id-1", gateway.clock.now()));
  const std::string stored = gateway.database.text("SELECT refresh_id FROM refreshes");
  CHECK(stored.find("id-1") == std::string::npos);
  CHECK_FALSE(gateway.present(old, stored));
  CHECK(gateway.present(old, "id-1"));
  gateway.database.change("UPDATE refreshes SET refresh_id = 'id-0'");  // of an earlier version
  CHECK(gateway.present(old, "id-0"));
  CHECK_FALSE(gateway.present(old, "id-1"));
  CHECK(gateway.issuer.refresh(gateway.a.id, jti, "id-0", gateway.clock.now()));
}

TEST_CASE("store: of two refreshes with different ids only one wins") {
  TestGateway gateway;
  const Principal caller = *gateway.present(gateway.token(gateway.a));
  int won = 0;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      const auto issued = gateway.issuer.refresh(gateway.a.id, caller.jti,
                                                 "id-" + std::to_string(i), gateway.clock.now());
      const std::lock_guard lock(mutex);
      won += issued ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(won == 1);
}

TEST_CASE("store: a deleted sandbox's tokens are dead at once") {
  TestGateway gateway;
  const std::string of_a = gateway.token(gateway.a), of_b = gateway.token(gateway.b);
  REQUIRE(*gateway.store->delete_sandbox("a"));
  CHECK_FALSE(gateway.present(of_a));
  CHECK(gateway.present(of_b));
  CHECK_FALSE(*gateway.store->delete_sandbox("a"));
  CHECK_FALSE(gateway.issuer.issue(gateway.a.id, gateway.clock.now()));
}

TEST_CASE("store: a token's row that says neither yes nor no is a revoked token") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  const std::string jti = gateway.present(token)->jti;
  if (TestDatabase::is_postgres())
    gateway.database.change("ALTER TABLE tokens ALTER revoked DROP NOT NULL");
  const auto set = [&](const std::string& cell) {
    gateway.database.change("UPDATE tokens SET revoked = " + cell);
    return gateway.store->token_status(jti);
  };
  for (const char* number : {"7", "-1", "256", "4294967296"}) {
    CAPTURE(number);
    CHECK(set(number)->state == TokenState::revoked);
    CHECK_FALSE(gateway.present(token));
  }
  CHECK(set("0")->state == TokenState::active);
  std::string other_type = "'garbage'";
  if (TestDatabase::is_postgres()) {
    CHECK(set("NULL")->state == TokenState::revoked);
    CHECK_FALSE(gateway.present(token));
    other_type = "'0'";  // a text, which only looks like the number
    gateway.database.change("ALTER TABLE tokens ALTER revoked DROP DEFAULT");
    gateway.database.change("ALTER TABLE tokens ALTER revoked TYPE TEXT USING revoked::text");
  }
  CHECK(set(other_type)->state == TokenState::revoked);
  CHECK_FALSE(gateway.present(token));
  const auto refreshed = gateway.issuer.refresh(gateway.a.id, jti, "id-1", gateway.clock.now());
  REQUIRE_FALSE(refreshed);
  CHECK(refreshed.error().code == Code::unauthenticated);
}

TEST_CASE("store: a PostgreSQL server that is stopped ends no call but with `unavailable`") {
  if (!TestDatabase::is_postgres()) return;
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  const std::string jti = gateway.present(token)->jti;
  std::vector<Result<>> ended(12, Result<>());  // more than there are connections
  {
    const StoppedPostgres stopped(gateway.database);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < ended.size(); ++i)
      threads.emplace_back([&, i] {
        if (i % 2 == 0)
          ended[i] = gateway.store->add_token({random_uuid(), gateway.a.id, gateway.clock.now()});
        else if (const auto status = gateway.store->token_status(jti); !status)
          ended[i] = tl::unexpected(status.error());
      });
    for (std::thread& thread : threads) thread.join();
  }
  for (const Result<>& each : ended) {
    REQUIRE_FALSE(each);
    CHECK(each.error().code == Code::unavailable);
  }
  CHECK(gateway.store->token_status(jti)->state == TokenState::active);
  CHECK(gateway.present(token));
}

TEST_CASE("store: expired tokens are forgotten, others stay") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  const std::string jti = gateway.present(token)->jti;
  const auto day = std::chrono::hours(24);
  for (const auto after :
       {std::chrono::seconds(3600), std::chrono::seconds(3700), std::chrono::seconds(3600) + day}) {
    REQUIRE(gateway.store->prune(gateway.clock.now() + after));
    CHECK(gateway.store->token_status(jti)->state == TokenState::active);
  }
  REQUIRE(gateway.store->prune(gateway.clock.now() + std::chrono::seconds(3700) + day));
  CHECK(gateway.store->token_status(jti)->state == TokenState::unknown);
}

TEST_CASE("store: nothing is forgotten by a clock that was set") {
  struct TestBoot final : MonotonicClock {
    BootTime time{std::chrono::hours(1)};
    BootTime now() const override { return time; }
  };
  using std::chrono::hours;
  TestGateway gateway;
  TestBoot boot;
  const std::string jti = gateway.present(gateway.token(gateway.a))->jti;
  const auto state = [&] { return gateway.store->token_status(jti)->state; };
  Pruning pruning(*gateway.store, gateway.clock, boot);
  CHECK(pruning.turn());
  gateway.clock.time += hours(24 * 365);  // forward
  CHECK_FALSE(pruning.turn());
  CHECK(state() == TokenState::active);
  gateway.clock.time -= hours(24 * 365);  // and back
  CHECK_FALSE(pruning.turn());
  CHECK(state() == TokenState::active);
  // A day and a half that has passed, as both clocks say; NTP slewed a little.
  gateway.clock.time += hours(36) + std::chrono::seconds(3);
  boot.time += hours(36);
  CHECK(pruning.turn());
  CHECK(state() == TokenState::unknown);
}
