#include <sys/stat.h>

#include <sqlite3.h>

#include <thread>

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

TEST_CASE("store: a database of an older version is brought up to date, a newer one refused") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a), file = gateway.directory / "gateway.db";
  gateway.store.reset();
  const auto change = [&](const char* sql) {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &raw) == SQLITE_OK);
    CHECK(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(raw);
  };
  change("ALTER TABLE tokens DROP COLUMN refreshed; PRAGMA user_version = 1");
  const auto store = open_sqlite_store(file, gateway.key);
  REQUIRE(store);
  Authenticator authenticator(gateway.ring, {identity::issuer_of("test"), std::chrono::hours(1)},
                              **store);
  const std::string header = "Bearer " + token;
  CHECK(authenticator.authenticate({header, "", false}, gateway.clock.now()));
  change("PRAGMA user_version = 1000");
  const auto newer = open_sqlite_store(file, gateway.key);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == Code::unsupported);
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

TEST_CASE("store: what was decided is there after a restart") {
  TestGateway gateway;
  const std::string old = gateway.token(gateway.a);
  const Principal caller = *gateway.present(old);
  REQUIRE(gateway.issuer.refresh(gateway.a.id, caller.jti, "id-1", gateway.clock.now()));
  const auto again = open_sqlite_store(gateway.directory / "gateway.db", gateway.key);
  REQUIRE(again);
  const auto status = (*again)->token_status(caller.jti);
  REQUIRE(status);
  CHECK(status->state == TokenState::superseded);
  CHECK(status->refresh_id == "id-1");
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

TEST_CASE("store: expired tokens are forgotten, others stay") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  const std::string jti = gateway.present(token)->jti;
  REQUIRE(gateway.store->prune(gateway.clock.now() + std::chrono::seconds(3600)));
  CHECK(gateway.store->token_status(jti)->state == TokenState::active);
  REQUIRE(gateway.store->prune(gateway.clock.now() + std::chrono::seconds(3700)));
  CHECK(gateway.store->token_status(jti)->state == TokenState::unknown);
}

TEST_CASE("store: credentials are sealed on disk and open with their key only") {
  TestDirectory directory;
  const std::string path = directory / "gateway.db";
  const Secret key(std::string(32, 'k')), other(std::string(32, 'o'));
  {
    const auto store = open_sqlite_store(path, key);
    REQUIRE(store);
    ProviderRow row;
    row.id = random_uuid();
    row.name = "prod";
    row.type = "aws";
    row.credentials.emplace("AWS_SECRET_ACCESS_KEY", Secret("very-secret-value-of-a-test"));
    row.bindings = {"*.amazonaws.com:443"};
    REQUIRE((*store)->create_provider(row));
    const auto repeated = (*store)->create_provider(row);
    REQUIRE_FALSE(repeated);
    CHECK(repeated.error().code == Code::exists);
    const auto rows = (*store)->providers();
    REQUIRE(rows);
    CHECK(
        rows->at(0).credentials.at("AWS_SECRET_ACCESS_KEY").equals("very-secret-value-of-a-test"));
    for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
      CHECK(slurp(file.path().string()).find("very-secret-value") == std::string::npos);
      struct stat status{};
      REQUIRE(::stat(file.path().c_str(), &status) == 0);
      CHECK((status.st_mode & 0777) == 0600);
    }
  }
  const auto refused = open_sqlite_store(path, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("--key-file") != std::string::npos);
  CHECK(open_sqlite_store(path, key));
}

TEST_CASE("store: a database that others can read is refused") {
  TestDirectory directory;
  const std::string path = directory / "gateway.db";
  const Secret key(std::string(32, 'k'));
  REQUIRE(open_sqlite_store(path, key));
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  CHECK_FALSE(open_sqlite_store(path, key));
}

TEST_CASE("store: attachments name what is there") {
  TestGateway gateway;
  ProviderRow row;
  row.id = random_uuid();
  row.name = "prod";
  row.type = "generic";
  row.credentials.emplace("API_KEY", Secret("value"));
  REQUIRE(gateway.store->create_provider(row));
  CHECK(*gateway.store->attach("a", "prod"));
  CHECK_FALSE(*gateway.store->attach("a", "prod"));
  CHECK(gateway.store->attach("a", "none").error().code == Code::not_found);
  CHECK(gateway.store->attach("none", "prod").error().code == Code::not_found);
  CHECK(gateway.store->providers_of(gateway.a.id)->size() == 1);
  CHECK(gateway.store->providers_of(gateway.b.id)->empty());
  CHECK(gateway.store->delete_provider("prod").error().code == Code::denied);
  CHECK(*gateway.store->detach("a", "prod"));
  CHECK_FALSE(*gateway.store->detach("a", "prod"));
  CHECK(*gateway.store->delete_provider("prod"));
  CHECK(gateway.store->create_sandbox(sandbox_row("c"), {"prod"}).error().code == Code::not_found);
  CHECK(gateway.store->sandbox_by_name("c").error().code == Code::not_found);  // rolled back
}
