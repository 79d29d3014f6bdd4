#include "identity/token/refresher.hpp"

#include <condition_variable>
#include <functional>

#include "base/file.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using tests::fresh_token;
using tests::held;

namespace {

// Answers from a list, then UNAVAILABLE; remembers the ids.
struct FakeTransport final : RefreshTransport {
  std::mutex mutex;
  std::condition_variable called;
  std::vector<std::string> ids;
  std::vector<RpcResult<RefreshedToken>> answers;

  RpcResult<RefreshedToken> refresh(const std::string& id) override {
    const std::lock_guard lock(mutex);
    ids.push_back(id);
    called.notify_all();
    if (during_refresh) during_refresh();
    if (answers.empty()) return tl::unexpected(RpcError{grpc_unavailable, "down"});
    auto answer = std::move(answers.front());
    answers.erase(answers.begin());
    return answer;
  }
  std::function<void()> during_refresh;
  std::optional<Secret> issued;  // none: exchanges are refused
  std::string proof;
  RpcResult<RefreshedToken> issue(const Secret& presented) override {
    const std::lock_guard lock(mutex);
    proof = std::string(presented.reveal());
    if (!issued) return tl::unexpected(RpcError{grpc_permission_denied, "no"});
    return RefreshedToken{issued->clone(), {}};
  }
  void will_answer(const Secret& token) { answers.emplace_back(RefreshedToken{token.clone(), {}}); }
  void will_fail(int code) { answers.emplace_back(tl::unexpected(RpcError{code, "no"})); }
  bool wait_for_calls(std::size_t count) {
    std::unique_lock lock(mutex);
    return called.wait_for(lock, 30s, [&] { return ids.size() >= count; });
  }
};

const SystemClock system_time;
const BootClock boot_time;

struct Fixture {
  TokenSlot slot{held(fresh_token())};
  FakeTransport transport;
  Refresher make(const TokenFile* file = nullptr) {
    return Refresher({slot, transport, system_time, boot_time, file});
  }
};

}  // namespace

TEST_CASE("refresher: a refused token is exchanged for a new one, in Kubernetes") {
  Fixture f;
  const tests::TestDirectory directory;
  REQUIRE(create_file(directory / "sa", "projected", 0640));
  const ServiceAccountFile service_account(directory / "sa");
  Refresher refresher({f.slot, f.transport, system_time, boot_time, nullptr, &service_account});
  f.transport.will_fail(grpc_unavailable);
  CHECK_FALSE(refresher.refresh_now());
  CHECK(f.transport.proof.empty());  // nothing is wrong with the token
  f.transport.will_fail(grpc_unauthenticated);
  CHECK(refresher.refresh_now().error().grpc_code == grpc_permission_denied);
  CHECK(f.transport.proof == "projected");
  f.transport.issued = fresh_token();
  f.transport.will_fail(grpc_unauthenticated);
  REQUIRE(refresher.refresh_now());
  CHECK(f.slot.get()->bearer.equals(f.transport.issued->reveal()));
  const auto kept = f.slot.get();
  f.transport.issued = fresh_token(std::chrono::seconds(60), random_uuid());
  f.transport.will_fail(grpc_unauthenticated);
  CHECK_FALSE(refresher.refresh_now());  // another sandbox's
  CHECK(f.slot.get() == kept);
}

TEST_CASE("refresher: a new token is in the slot at once") {
  Fixture f;
  Refresher refresher = f.make();
  const Secret next = fresh_token();
  f.transport.will_answer(next);
  const auto got = refresher.refresh_now();
  REQUIRE(got.has_value());
  CHECK(f.slot.get()->bearer.equals(next.reveal()));
  CHECK(f.slot.get() == *got);
}

TEST_CASE("refresher: a token without a life does not replace one that has one") {
  Fixture f;
  Refresher refresher = f.make();
  const auto before = f.slot.get();
  for (const auto life : {0s, -60s}) {
    f.transport.will_answer(fresh_token(life));
    CHECK(refresher.refresh_now().error().grpc_code == grpc_internal);
    CHECK(f.slot.get() == before);
  }
  f.transport.will_answer(fresh_token());
  CHECK(refresher.refresh_now().has_value());
}

TEST_CASE("refresher: the id is repeated until it is answered") {
  Fixture f;
  Refresher refresher = f.make();
  const auto before = f.slot.get();
  f.transport.will_fail(grpc_unavailable);
  f.transport.will_fail(grpc_deadline_exceeded);
  f.transport.will_answer(fresh_token());
  f.transport.will_answer(fresh_token());
  CHECK_FALSE(refresher.refresh_now().has_value());
  CHECK(f.slot.get() == before);
  CHECK_FALSE(refresher.refresh_now().has_value());
  CHECK(refresher.refresh_now().has_value());
  CHECK(refresher.refresh_now().has_value());
  REQUIRE(f.transport.ids.size() == 4);
  CHECK(f.transport.ids[0] == f.transport.ids[1]);
  CHECK(f.transport.ids[0] == f.transport.ids[2]);
  CHECK(f.transport.ids[0] != f.transport.ids[3]);
  CHECK(is_uuid(f.transport.ids[0]));
}

TEST_CASE("refresher: answers that are no token of this sandbox are not taken") {
  Fixture f;
  Refresher refresher = f.make();
  const auto before = f.slot.get();
  f.transport.will_answer(Secret("not a token"));
  f.transport.will_answer(fresh_token(3600s, "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa"));
  for (int i = 0; i < 2; ++i) {
    const auto got = refresher.refresh_now();
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().grpc_code == grpc_internal);
    CHECK(f.slot.get() == before);
  }
}

TEST_CASE("refresher: the file follows, and a replaced file is noticed") {
  const tests::TestDirectory directory;
  const TokenFile file(directory / "token");
  Fixture f;
  REQUIRE(file.write(*f.slot.get()).has_value());
  Refresher refresher = f.make(&file);
  const Secret next = fresh_token();
  f.transport.will_answer(next);
  REQUIRE(refresher.refresh_now().has_value());
  CHECK(file.read().value()->bearer.equals(next.reveal()));

  SUBCASE("another token in the file is what is asked with") {
    const auto replaced = held(fresh_token());
    REQUIRE(file.write(*replaced).has_value());
    f.transport.will_fail(grpc_unavailable);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.slot.get()->bearer.equals(replaced->bearer.reveal()));
    const Secret newest = fresh_token();
    f.transport.will_answer(newest);
    CHECK(refresher.refresh_now().has_value());
    CHECK(file.read().value()->bearer.equals(newest.reveal()));
    REQUIRE(f.transport.ids.size() == 3);
    CHECK(f.transport.ids[0] != f.transport.ids[1]);  // another token, another refresh
    CHECK(f.transport.ids[1] == f.transport.ids[2]);
  }
  SUBCASE("another token in the file, which the gateway refuses") {
    const auto before = f.slot.get();
    f.transport.will_fail(grpc_unavailable);
    CHECK_FALSE(refresher.refresh_now().has_value());
    REQUIRE(file.write(*held(fresh_token())).has_value());
    f.transport.will_fail(grpc_unauthenticated);
    f.transport.will_fail(grpc_unavailable);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.slot.get() == before);
    const Secret newest = fresh_token();
    f.transport.will_answer(newest);
    CHECK(refresher.refresh_now().has_value());  // with the one before, whose refresh goes on
    CHECK(file.read().value()->bearer.equals(newest.reveal()));
    REQUIRE(f.transport.ids.size() == 5);
    CHECK(f.transport.ids[2] != f.transport.ids[1]);
    CHECK(f.transport.ids[3] == f.transport.ids[1]);
    CHECK(f.transport.ids[4] == f.transport.ids[1]);
  }
  SUBCASE("both that one and the one before are refused") {
    const auto replaced = held(fresh_token());
    REQUIRE(file.write(*replaced).has_value());
    for (int i = 0; i < 3; ++i) f.transport.will_fail(grpc_unauthenticated);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.slot.get()->bearer.equals(replaced->bearer.reveal()));
    CHECK(f.transport.ids.size() == 4);
    f.transport.will_fail(grpc_unauthenticated);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.transport.ids.size() == 5);
  }
  SUBCASE("what is put there while the gateway is asked stays, and is taken at the next look") {
    const Secret meanwhile = fresh_token();
    f.transport.during_refresh = [&] { REQUIRE(file.write(*held(meanwhile)).has_value()); };
    f.transport.will_answer(fresh_token());
    CHECK(refresher.refresh_now().has_value());
    CHECK(file.read().value()->bearer.equals(meanwhile.reveal()));
    f.transport.during_refresh = nullptr;
    f.transport.will_fail(grpc_unavailable);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.slot.get()->bearer.equals(meanwhile.reveal()));
  }
  SUBCASE("the thread looks by itself") {
    const Secret newest = fresh_token();
    f.transport.will_answer(newest);
    REQUIRE(file.write(*held(fresh_token())).has_value());
    CHECK(f.transport.wait_for_calls(2));
    REQUIRE_FALSE(refresher.refresh_now().has_value());  // after the thread's attempt
    CHECK(f.slot.get()->bearer.equals(newest.reveal()));
  }
  SUBCASE("the same token in the file") {
    f.transport.will_fail(grpc_unauthenticated);
    const auto got = refresher.refresh_now();
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().grpc_code == grpc_unauthenticated);
    CHECK(f.transport.ids.size() == 2);
  }
  SUBCASE("another sandbox's token in the file") {
    REQUIRE(
        file.write(*held(fresh_token(3600s, "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa"))).has_value());
    f.transport.will_fail(grpc_unauthenticated);
    CHECK_FALSE(refresher.refresh_now().has_value());
    CHECK(f.slot.get()->sandbox_id == tests::sandbox_id);
  }
}

TEST_CASE(
    "refresher: one that ended in the middle of a refresh is followed by one that repeats it") {
  const tests::TestDirectory directory;
  const TokenFile file(directory / "token");
  Fixture f;
  REQUIRE(file.write(*f.slot.get()));
  f.transport.will_fail(grpc_unavailable);
  CHECK_FALSE(f.make(&file).refresh_now());
  f.slot.set(file.read().value());
  Refresher next = f.make(&file);
  f.transport.will_answer(fresh_token());
  f.transport.will_answer(fresh_token());
  REQUIRE(next.refresh_now());
  REQUIRE(next.refresh_now());
  REQUIRE(f.transport.ids.size() == 3);
  CHECK(f.transport.ids[0] == f.transport.ids[1]);
  CHECK(f.transport.ids[1] != f.transport.ids[2]);
}

TEST_CASE("refresher: its thread asks before the end, again after a failure, and stops") {
  Fixture f;
  f.slot.set(held(fresh_token(2s)));
  f.transport.will_fail(grpc_unavailable);
  const Secret next = fresh_token();
  f.transport.will_answer(next);
  {
    Refresher refresher = f.make();
    CHECK(f.transport.wait_for_calls(2));
  }  // joins: the answer has been taken
  CHECK(f.slot.get()->bearer.equals(next.reveal()));
}
