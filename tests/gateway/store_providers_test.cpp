// What the store promises of providers, of who has them attached, and of changes that belong
// together.
#include <thread>

#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

ProviderRow provider(const std::string& name, const std::string& variable) {
  ProviderRow row;
  row.id = random_uuid();
  row.name = name;
  row.type = "generic";
  row.credentials.emplace(variable, Secret("value"));
  return row;
}

}  // namespace

TEST_CASE("store: attachments name what is there") {
  TestGateway gateway;
  REQUIRE(gateway.store->create_provider(provider("prod", "API_KEY")));
  CHECK(*gateway.store->attach("a", "prod"));
  CHECK_FALSE(*gateway.store->attach("a", "prod"));
  CHECK(gateway.store->attach("a", "none").error().code == Code::not_found);
  CHECK(gateway.store->attach("none", "prod").error().code == Code::not_found);
  CHECK(gateway.store->providers_of(gateway.a.id)->size() == 1);
  CHECK(gateway.store->providers_of(gateway.b.id)->empty());
  CHECK(gateway.store->delete_provider("prod").error().code == Code::precondition);
  CHECK(*gateway.store->detach("a", "prod"));
  CHECK_FALSE(*gateway.store->detach("a", "prod"));
  CHECK(*gateway.store->delete_provider("prod"));
  CHECK(gateway.store->create_sandbox(sandbox_row("c"), {"prod"}).error().code == Code::not_found);
  CHECK(gateway.store->sandbox_by_name("c").error().code == Code::not_found);  // rolled back
}

TEST_CASE("store: only one of the providers that set the same variable is attached") {
  TestGateway gateway;
  Store& store = *gateway.store;
  constexpr int count = 6;
  for (int i = 0; i < count; ++i)
    REQUIRE(store.create_provider(provider("p" + std::to_string(i), "API_KEY")));
  int attached = 0, refused = 0;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      const std::string name = "p" + std::to_string(i);
      const auto done =
          i % 2 == 0 ? store.attach("a", name) : store.attach_by_id({gateway.a.id, name});
      const std::lock_guard lock(mutex);
      attached += done && *done ? 1 : 0;
      refused += !done && done.error().code == Code::precondition ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(attached == 1);
  CHECK(refused == count - 1);

  // ... nor does a change of one make it so, by a credential or by configuration.
  ProviderRow other = provider("other", "OTHER_KEY");
  REQUIRE(store.create_provider(other));
  REQUIRE(*store.attach("a", "other"));
  other.config["API_KEY"] = "x";
  const auto updated = store.update_provider(other);
  REQUIRE_FALSE(updated);
  CHECK(updated.error().code == Code::precondition);
  CHECK(updated.error().what.find("API_KEY") != std::string::npos);
  CHECK(store.outline_by_name("other")->config.empty());
  CHECK(store.create_sandbox(sandbox_row("c"), {"p0", "p1"}).error().code == Code::precondition);
}

TEST_CASE("store: the names of credentials are read without unsealing") {
  TestGateway gateway;
  REQUIRE(gateway.store->create_provider(provider("one", "ONE")));
  REQUIRE(gateway.store->create_provider(provider("two", "TWO")));
  REQUIRE(*gateway.store->attach("a", "one"));
  const auto names = [](Store& store) {
    std::vector<std::string> found;
    const auto rows = store.outlines();
    REQUIRE(rows);
    for (const ProviderOutline& row : *rows)
      found.insert(found.end(), row.variables.begin(), row.variables.end());
    return found;
  };
  const std::vector<std::string> both = {"ONE", "TWO"};
  // As a replica of an older version writes its rows; the next start completes them.
  gateway.database.change("UPDATE providers SET variables = ''");
  CHECK(names(*gateway.store) == both);
  auto again = open_store(gateway.database.name(), gateway.key);
  REQUIRE(again);
  gateway.database.change("UPDATE providers SET credentials = ''");
  CHECK(names(**again) == both);
  CHECK((*again)->provider_names_of(gateway.a.id)->front() == "one");
  CHECK(*(*again)->attach("a", "two"));
  CHECK((*again)->outlines_of(gateway.a.id)->size() == 2);
  CHECK_FALSE((*again)->providers_of(gateway.a.id));
}

TEST_CASE("store: what is done by id does not reach another that has the name now") {
  TestGateway gateway;
  Store& store = *gateway.store;
  const RecordKey own{"kind", "", "own"};
  REQUIRE(store.put_record({own, "x", gateway.clock.now(), 0}));
  REQUIRE(store.create_provider(provider("p", "P")));
  REQUIRE(*store.delete_sandbox_by_id(gateway.a.id));
  const NewSandboxRow next = sandbox_row("a");
  REQUIRE(store.create_sandbox(next, {}));
  CHECK_FALSE(*store.delete_sandbox_by_id(gateway.a.id));
  CHECK_FALSE(*store.delete_sandbox_by_id(""));
  CHECK(store.attach_by_id({gateway.a.id, "p"}).error().code == Code::not_found);
  CHECK(store.detach_by_id({gateway.a.id, "p"}).error().code == Code::not_found);
  CHECK(store.sandbox_by_name("a")->id == next.id);
  CHECK(store.provider_names_of(next.id)->empty());
  CHECK(store.record(own));
  CHECK(store.attach_by_id({next.id, "none"}).error().code == Code::not_found);
  CHECK(store.sandbox_by_id(next.id)->resource_version == 1);  // nothing was done
}

TEST_CASE("store: several records are put together or not at all, and lists come in parts") {
  TestGateway gateway;
  Store& store = *gateway.store;
  const auto record = [&](const char* name) {
    return RecordRow{{"kind", "", name}, "x", gateway.clock.now(), 0};
  };
  REQUIRE(store.put_records({record("one"), record("two")}));
  CHECK(store.put_records({record("three"), record("two")}).error().code == Code::exists);
  CHECK(store.records("kind", "")->size() == 2);
  CHECK(store.sandboxes({"", 1, 1})->at(0).name == "b");
  CHECK(store.sandboxes({"a", 5, 0})->size() == 1);
  CHECK(store.sandboxes({"b", 5, 0})->empty());
  CHECK(store.touch_sandbox(gateway.a.id, std::uint64_t{1} << 40).error().code == Code::conflict);
  CHECK(store.sandbox_by_name(std::string("a\0", 2)).error().code == Code::invalid);
}

// Providers of one type, unless its profile says that they go together.
struct OneOfAType {
  Result<> operator()(const GivenProviders& given) const {
    for (const SandboxProviders& sandbox : given.sandboxes) {
      std::map<std::string, int> counts;
      for (const ProviderOutline& each : sandbox.providers) ++counts[each.type];
      for (const auto& [type, count] : counts)
        if (count > 1 && (given.profiles.count(type) == 0 || given.profiles.at(type).body != "any"))
          return fail(Code::precondition, sandbox.sandbox + " has " + type + " twice");
    }
    return {};
  }
};

TEST_CASE("store: what the rule refuses is undone, whichever change would bring it about") {
  TestGateway gateway;
  const auto store = *open_store(gateway.database.name(), gateway.key, OneOfAType());
  ProviderRow rows[] = {provider("one", "ONE"), provider("two", "TWO")};
  for (ProviderRow& row : rows) {
    row.type = "model";
    REQUIRE(store->create_provider(row));
  }
  const RecordRow any{{profile_kind, "", "model"}, "any", {}, 0};
  CHECK(*store->attach("a", "one"));
  const auto refused = store->attach_by_id({gateway.a.id, "two"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::precondition);
  CHECK(refused.error().what == "a has model twice");
  CHECK(store->attach("a", "two").error().code == Code::precondition);
  CHECK(store->create_sandbox(sandbox_row("c"), {"one", "two"}).error().code == Code::precondition);
  CHECK_FALSE(store->sandbox_by_name("c"));
  CHECK(store->provider_names_of(gateway.a.id)->size() == 1);
  CHECK(*store->attach("b", "two"));  // another sandbox

  REQUIRE(store->put_records({any}));
  CHECK(*store->attach("a", "two"));
  RecordRow other = any;
  other.body = "one";
  other.version = 1;
  CHECK(store->put_record(other).error().code == Code::precondition);
  CHECK(store->record(any.key)->body == "any");
  CHECK(store->put_record({{profile_kind, "", "unused"}, "one", {}, 0}));
  CHECK(store->put_record({{"draft", "", "model"}, "one", {}, 0}));

  // What another hand has brought about is not made worse.
  REQUIRE(*store->delete_record(any.key));
  rows[0].config["REGION"] = "eu";
  CHECK(store->update_provider(rows[0]).error().code == Code::precondition);
  CHECK(store->outline_by_name("one")->config.empty());
  CHECK(store->put_records({{{profile_kind, "", "model"}, "one", {}, 0}}).error().code ==
        Code::precondition);
  CHECK(*store->detach("a", "one"));
  CHECK(store->update_provider(rows[0]));
}
