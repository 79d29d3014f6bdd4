#include <sys/stat.h>

#include <set>
#include <thread>

#include "base/bytes.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("store: a record changes only from the version that was read") {
  TestGateway gateway;
  Store& store = *gateway.store;
  const RecordKey key{"kind", gateway.a.id, "one"};
  const std::string bytes("\0\1", 2);
  CHECK(*store.put_record({key, bytes, gateway.clock.now(), 0}) == 1);
  CHECK(store.put_record({key, "x", gateway.clock.now(), 0}).error().code == Code::exists);
  CHECK(store.put_record({key, "x", gateway.clock.now(), 7}).error().code == Code::conflict);
  CHECK(store.record(key)->body == bytes);
  CHECK(*store.put_record({key, "two", gateway.clock.now(), 1}) == 2);
  CHECK(store.record(key)->version == 2);
  CHECK(store.record({"kind", gateway.b.id, "one"}).error().code == Code::not_found);
  CHECK(*store.put_record({{"kind", "", "one"}, "mine", gateway.clock.now(), 0}) == 1);
  CHECK(store.records("kind", gateway.a.id)->size() == 1);
  REQUIRE(store.delete_sandbox("a"));  // takes what it owns along
  CHECK(store.records("kind", gateway.a.id)->empty());
  CHECK(store.records("kind", "")->size() == 1);
  CHECK(*store.delete_record({"kind", "", "one"}));
  CHECK_FALSE(*store.delete_record({"kind", "", "one"}));
}

TEST_CASE("store: a database of an older version is brought up to date, a newer one refused") {
  TestDatabase database;
  const Secret key(std::string(32, 'k'));
  const bool postgres = TestDatabase::is_postgres();
  REQUIRE(open_store(database.name(), key));
  // As schema 1 left it.
  database.change(
      "DROP TABLE records; DROP TABLE policies; ALTER TABLE tokens DROP COLUMN refreshed;"
      "ALTER TABLE sandboxes DROP COLUMN spec; ALTER TABLE sandboxes DROP COLUMN labels;"
      "ALTER TABLE sandboxes DROP COLUMN annotations;"
      "ALTER TABLE sandboxes DROP COLUMN resource_version;"
      "ALTER TABLE providers DROP COLUMN expires; ALTER TABLE providers DROP COLUMN variables;"
      "ALTER TABLE providers DROP COLUMN resource_version;"
      "ALTER TABLE providers DROP COLUMN derived_services;"
      "ALTER TABLE providers DROP COLUMN derived_regions;"
      "ALTER TABLE sandboxes DROP COLUMN exit_instance;"
      "ALTER TABLE sandboxes DROP COLUMN exit_code; ALTER TABLE sandboxes DROP COLUMN exited;"
      "ALTER TABLE sandboxes ADD COLUMN policy BLOB NOT NULL DEFAULT '';"
      "ALTER TABLE sandboxes ADD COLUMN policy_hash TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE sandboxes ADD COLUMN policy_version BIGINT NOT NULL DEFAULT 0;"
      "ALTER TABLE sandboxes ADD COLUMN policy_status TEXT NOT NULL DEFAULT '';"
      "INSERT INTO sandboxes VALUES ('id-1', 'old', 1, 'the policy', 'the hash', 7, 'loaded');"
      "INSERT INTO sandboxes VALUES ('id-2', 'bare', 1, '', '', 0, '');"
      "INSERT INTO tokens VALUES ('j', 'id-1', 99, 0)");
  database.change(postgres ? "UPDATE schema_version SET version = 1" : "PRAGMA user_version = 1");
  {
    const auto store = open_store(database.name(), key);
    REQUIRE(store);
    const auto old = (*store)->sandbox_by_name("old"), bare = (*store)->sandbox_by_name("bare");
    REQUIRE(old);
    CHECK(old->policy == "the policy");
    CHECK(old->policy_hash == "the hash");
    CHECK(old->policy_version == 7);
    CHECK(old->policy_status == "loaded");
    REQUIRE(bare);
    CHECK(bare->policy_version == 0);
    CHECK((*store)->token_status("j")->state == TokenState::active);
  }
  database.change(postgres ? "UPDATE schema_version SET version = 1000"
                           : "PRAGMA user_version = 1000");
  const auto newer = open_store(database.name(), key);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == Code::unsupported);
}

TEST_CASE("store: a policy's revisions") {
  TestGateway gateway;
  const auto revision = [](const std::string& text) {
    PolicyRow row;
    row.policy = text;
    row.hash = hex(sha256(text));
    row.source = "# " + text.substr(0, 3);
    row.created = TimePoint(std::chrono::milliseconds(5));
    return row;
  };
  Store& store = *gateway.store;
  const std::string& id = gateway.a.id;
  CHECK(store.policies(id)->empty());
  CHECK(*store.add_policy(id, revision(std::string("one\0more", 8))) == 1);
  CHECK(*store.add_policy(id, revision(std::string("one\0more", 8))) == 1);  // the same
  REQUIRE(store.set_policy_status(id, {1, "", {}}));
  CHECK(*store.add_policy(id, revision("two")) == 2);
  CHECK(store.sandbox_by_id(id)->policy_status == "pending");
  REQUIRE(store.set_policy_status(id, {2, "no such key", {}}));
  CHECK(*store.add_policy(id, revision(std::string("one\0more", 8))) == 3);  // back again
  REQUIRE(store.set_policy_status(id, {3, "", {}}));
  const auto rows = store.policies(id);
  REQUIRE(rows);
  REQUIRE(rows->size() == 3);
  CHECK(rows->at(0).policy == std::string("one\0more", 8));
  CHECK(rows->at(0).status == "superseded");
  CHECK(rows->at(1).status == "failed");
  CHECK(rows->at(1).load_error == "no such key");
  CHECK(rows->at(1).source == "# two");
  CHECK(rows->at(2).status == "loaded");
  CHECK(rows->at(2).created == TimePoint(std::chrono::milliseconds(5)));
  CHECK(store.sandbox_by_id(id)->policy_version == 3);
  CHECK(store.set_policy_status(id, {4, "", {}}).error().code == Code::not_found);
  CHECK(store.set_policy_status("nobody", {1, "", {}}).error().code == Code::not_found);
  CHECK(store.add_policy("nobody", revision("x")).error().code == Code::not_found);
  for (std::uint32_t i = 4; i <= 110; ++i)
    CHECK(*store.add_policy(id, revision(std::to_string(i))) == i);
  CHECK(store.policy(id, 110)->policy == "110");
  CHECK(store.policy(id, 10).error().code == Code::not_found);
  CHECK(*store.loaded_version(id) == 0);  // number 3 is gone
  REQUIRE(store.set_policy_status(id, {108, "", {}}));
  CHECK(*store.loaded_version(id) == 108);
  CHECK(store.policies(id)->size() == policies_kept);
  CHECK(store.policies(id)->front().version == 11);
  REQUIRE(*store.delete_sandbox("a"));
  CHECK(store.policies(id)->empty());
}

TEST_CASE("store: how the main program ended") {
  TestGateway gateway;
  Store& store = *gateway.store;
  const auto at = [](int ms) { return TimePoint(std::chrono::milliseconds(ms)); };
  CHECK_FALSE(store.sandbox_by_id(gateway.a.id)->exit);
  REQUIRE(store.set_exit(gateway.a.id, {"run-1", 137, at(5)}));
  REQUIRE(store.set_exit(gateway.a.id, {"run-1", 137, at(9)}));  // repeated
  const auto first = store.sandbox_by_id(gateway.a.id)->exit;
  REQUIRE(first);
  CHECK(first->code == 137);
  CHECK(first->time == at(5));
  REQUIRE(store.set_exit(gateway.a.id, {"run-2", 0, at(11)}));
  CHECK(store.sandbox_by_id(gateway.a.id)->exit->code == 0);
  CHECK(store.sandbox_by_id(gateway.a.id)->exit->time == at(11));
  CHECK_FALSE(store.sandbox_by_id(gateway.b.id)->exit);
  CHECK(store.set_exit("nobody", {"run-1", 0, at(5)}).error().code == Code::not_found);
}

TEST_CASE("store: revisions that are made at the same time get numbers of their own") {
  TestGateway gateway;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::uint32_t> versions;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&, i] {
      PolicyRow row;
      row.hash = std::to_string(i);
      const auto version = gateway.store->add_policy(gateway.a.id, row);
      const std::lock_guard lock(mutex);
      if (version) versions.insert(*version);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(versions == std::set<std::uint32_t>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("store: what was decided is there after a restart") {
  TestGateway gateway;
  const std::string old = gateway.token(gateway.a);
  const Principal caller = *gateway.present(old);
  REQUIRE(gateway.issuer.refresh(gateway.a.id, caller.jti, "id-1", gateway.clock.now()));
  const auto again = open_store(gateway.database.name(), gateway.key);
  REQUIRE(again);
  const auto status = (*again)->token_status(caller.jti);
  REQUIRE(status);
  CHECK(status->state == TokenState::superseded);
  CHECK(status->repeats("id-1"));
}

TEST_CASE("store: credentials are sealed on disk and open with their key only") {
  TestDatabase database;
  const std::string path = database.name();
  const Secret key(std::string(32, 'k')), other(std::string(32, 'o'));
  {
    const auto store = open_store(path, key);
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
    const auto stored = (*store)->provider_by_name("prod");
    REQUIRE(stored);
    CHECK(stored->credentials.at("AWS_SECRET_ACCESS_KEY").equals("very-secret-value-of-a-test"));
    for (const auto& file : std::filesystem::directory_iterator(database.directory())) {
      CHECK(slurp(file.path().string()).find("very-secret-value") == std::string::npos);
      struct stat status{};
      REQUIRE(::stat(file.path().c_str(), &status) == 0);
      CHECK((status.st_mode & 0777) == 0600);
    }
  }
  const auto refused = open_store(path, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("--key-file") != std::string::npos);
  CHECK(open_store(path, key));
}

TEST_CASE("store: a file that others can read, or that is damaged, is refused") {
  TestDirectory directory;
  const std::string path = directory / "gateway.db";
  const Secret key(std::string(32, 'k'));
  REQUIRE(open_store(path, key));
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  CHECK_FALSE(open_store(path, key));
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  std::string bytes = slurp(path);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = 'x';
  std::ofstream(path, std::ios::binary) << bytes;
  const auto damaged = open_store(path, key);
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().what.find("backup") != std::string::npos);
  std::ofstream(path, std::ios::binary) << "this is no database, and it is long enough to be read";
  CHECK_FALSE(open_store(path, key));
}

TEST_CASE("store: a URL of PostgreSQL holds no password and names a server that answers") {
  const Secret key(std::string(32, 'k'));
  const struct {
    const char* url;
    Code code;
  } cases[] = {{"postgresql://u:hunter2@127.0.0.1/d", Code::denied},
               {"postgresql://u@127.0.0.1/d?password=hunter2", Code::denied},
               {"postgresql://u@127.0.0.1/d?no_such_key=hunter2", Code::invalid},
               {"postgresql://u@127.0.0.1:1/d", Code::unavailable},
               {"postgres://u@/d?host=/nonexistent", Code::unavailable}};
  for (const auto& c : cases) {
    CAPTURE(c.url);
    const auto refused = open_store(c.url, key);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == c.code);
    CHECK(refused.error().what.find("hunter2") == std::string::npos);
  }
}
