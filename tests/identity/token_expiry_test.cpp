// The end of a token's life by the clock: what each source can do about it, and what is said.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>

#include "base/file.hpp"
#include "base/log.hpp"
#include "identity/token/refresher.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using tests::fresh_token;
using tests::held;

namespace {

struct FakeClock final : Clock {
  std::atomic<std::int64_t> ahead{0};  // milliseconds
  TimePoint now() const override {
    return SystemClock().now() + std::chrono::milliseconds(ahead.load());
  }
  void step(std::chrono::milliseconds by) { ahead += by.count(); }
};
struct FakeBootClock final : MonotonicClock {
  std::atomic<std::int64_t> ahead{0};
  BootTime now() const override {
    return BootClock().now() + std::chrono::milliseconds(ahead.load());
  }
};

// The gateway: away, or answering by functions.  Remembers what it was asked.
struct FakeTransport final : RefreshTransport {
  std::mutex mutex;
  std::condition_variable called;
  std::function<RpcResult<RefreshedToken>()> refreshed, issued;  // none: away
  std::vector<std::string> asked;                                // "refresh", or the proof

  RpcResult<RefreshedToken> answer(const std::string& question,
                                   const std::function<RpcResult<RefreshedToken>()>& say) {
    asked.push_back(question);
    called.notify_all();
    if (!say) return tl::unexpected(RpcError{grpc_unavailable, "away"});
    return say();
  }
  using Say = std::function<RpcResult<RefreshedToken>()>;
  void on_refresh(Say say) {
    const std::lock_guard lock(mutex);
    refreshed = std::move(say);
  }
  void on_issue(Say say) {
    const std::lock_guard lock(mutex);
    issued = std::move(say);
  }
  std::vector<std::string> questions() {
    const std::lock_guard lock(mutex);
    return asked;
  }
  RpcResult<RefreshedToken> refresh(const std::string&) override {
    const std::lock_guard lock(mutex);
    return answer("refresh", refreshed);
  }
  RpcResult<RefreshedToken> issue(const Secret& proof) override {
    const std::lock_guard lock(mutex);
    return answer(std::string(proof.reveal()), issued);
  }
};

RpcResult<RefreshedToken> refusal() {
  return tl::unexpected(RpcError{grpc_unauthenticated, "expired"});
}

// The events that a terminal shows by default.
struct Events final : log::Observer {
  std::mutex mutex;
  std::vector<std::string> seen;
  Events() { log::set_observer(this); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() { log::set_observer(nullptr); }
  void line(log::Level level, std::string_view event, log::Fields) override {
    const std::lock_guard lock(mutex);
    if (level >= log::Level::warn) seen.emplace_back(event);
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(seen, {});
  }
};

using Names = std::vector<std::string>;

struct Fixture {
  FakeClock clock;
  FakeBootClock boot;
  TokenSlot slot{held(fresh_token())};
  FakeTransport transport;
  tests::TestDirectory directory;
  Events events;

  // Time goes on, by both clocks.
  void advance(std::chrono::milliseconds by) {
    clock.step(by);
    boot.ahead += by.count();
  }
  // A token of an hour that counts from the fake clock's now.
  Secret next(std::chrono::seconds life = 3600s) {
    return fresh_token(
        std::chrono::duration_cast<std::chrono::seconds>(clock.now() - SystemClock().now()) + life);
  }
  void write_service_account(const std::string& text) {
    REQUIRE(replace_file(directory / "sa", text, 0640));
  }
};

}  // namespace

TEST_CASE("token expiry: in Kubernetes an expired token is exchanged, not asked with") {
  Fixture f;
  f.write_service_account("first");
  const ServiceAccountFile service_account(f.directory / "sa");
  Refresher refresher({f.slot, f.transport, f.clock, f.boot, nullptr, &service_account});
  CHECK_FALSE(refresher.refresh_now());  // away, while the token lives
  CHECK(f.transport.questions() == Names{"refresh"});
  CHECK(f.events.take() == Names{"token_refresh_failed"});

  f.advance(2h);
  f.write_service_account("rotated");
  CHECK_FALSE(refresher.refresh_now());
  CHECK_FALSE(refresher.refresh_now());
  const Names asked = f.transport.questions();
  CHECK(asked.back() == "rotated");
  CHECK(std::count(asked.begin(), asked.end(), "refresh") == 1);
  CHECK(f.events.take() == Names{"token_expired"});  // once

  const Secret issued = f.next();
  f.transport.on_issue([&] { return RefreshedToken{issued.clone(), {}}; });
  REQUIRE(refresher.refresh_now());
  CHECK(f.slot.get()->bearer.equals(issued.reveal()));
  CHECK(f.events.take() == Names{"token_recovered"});
}

TEST_CASE("token expiry: what an exchange brings must be this sandbox's, and the proof there") {
  Fixture f;
  const ServiceAccountFile service_account(f.directory / "sa");
  const auto before = f.slot.get();
  Refresher refresher({f.slot, f.transport, f.clock, f.boot, nullptr, &service_account});
  f.advance(2h);
  SUBCASE("no file") { CHECK(refresher.refresh_now().error().grpc_code == grpc_not_found); }
  SUBCASE("another sandbox's") {
    f.write_service_account("proof");
    f.transport.on_issue([] {
      return RefreshedToken{fresh_token(9000s, "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa"), {}};
    });
    CHECK(refresher.refresh_now().error().grpc_code == grpc_internal);
  }
  SUBCASE("refused") {
    f.write_service_account("proof");
    f.transport.on_issue(refusal);
    CHECK(refresher.refresh_now().error().grpc_code == grpc_unauthenticated);
  }
  CHECK(f.slot.get() == before);
  CHECK(f.events.take() == Names{"token_expired"});
}

TEST_CASE("token expiry: a token that was put into the file is taken, whether anybody answers") {
  Fixture f;
  const TokenFile file(f.directory / "token");
  REQUIRE(file.write(*f.slot.get()));
  Refresher refresher({f.slot, f.transport, f.clock, f.boot, &file});
  f.advance(2h);
  CHECK_FALSE(refresher.refresh_now());
  CHECK(f.transport.questions().back() == "refresh");  // the clock may be wrong
  CHECK(f.events.take() == Names{"token_expired"});
  const Secret replaced = f.next();
  REQUIRE(file.write(*held(replaced)));
  SUBCASE("the gateway is away") {
    CHECK_FALSE(refresher.refresh_now());
    CHECK(f.slot.get()->bearer.equals(replaced.reveal()));
    CHECK(f.events.take() == Names{"token_recovered", "token_refresh_failed"});
  }
  SUBCASE("the gateway is back") {
    // A copy: the thread may ask after this block.
    const std::string refreshed(f.next(7200s).reveal());
    f.transport.on_refresh([refreshed] { return RefreshedToken{Secret(refreshed), {}}; });
    REQUIRE(refresher.refresh_now());
    CHECK(f.slot.get()->bearer.equals(refreshed));
    CHECK(f.events.take() == Names{"token_recovered"});
  }
  SUBCASE("the gateway refuses that one too") {
    f.transport.on_refresh(refusal);
    CHECK_FALSE(refresher.refresh_now());
    CHECK(f.events.take() == Names{});  // it goes on
  }
  SUBCASE("its thread sees the file by itself") {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!f.slot.get()->bearer.equals(replaced.reveal()) &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(20ms);
    CHECK(f.slot.get()->bearer.equals(replaced.reveal()));
  }
}

TEST_CASE("token expiry: files that do not help are left alone") {
  Fixture f;
  const TokenFile file(f.directory / "token");
  const auto older = held(fresh_token());
  const auto expired = held(fresh_token(60s));
  const auto foreign = held(fresh_token(90000s, "0b2cb0c8-27a8-4a9f-8f5d-7fb0a1f4b1aa"));
  Refresher refresher({f.slot, f.transport, f.clock, f.boot, &file});
  SUBCASE("none") {}
  SUBCASE("no token") { REQUIRE(replace_file(f.directory / "token", "x", 0600)); }
  SUBCASE("one that has expired too") { REQUIRE(file.write(*expired)); }
  SUBCASE("another sandbox's") { REQUIRE(file.write(*foreign)); }
  SUBCASE("one from before the last refresh") {
    Token newer;
    newer.bearer = Secret("newer");
    newer.sandbox_id = tests::sandbox_id;
    newer.issued = older->issued + 10min;
    newer.expires = older->expires;
    f.slot.set(std::make_shared<const Token>(std::move(newer)));
    REQUIRE(file.write(*held(fresh_token(90000s))));
  }
  const auto before = f.slot.get();
  f.advance(2h);
  CHECK_FALSE(refresher.refresh_now());
  CHECK(f.slot.get() == before);
  CHECK(f.events.take() == Names{"token_expired"});
}

TEST_CASE("token expiry: a token of the environment waits loudly for its gateway") {
  Fixture f;
  Refresher refresher({f.slot, f.transport, f.clock, f.boot});
  f.advance(2h);
  CHECK_FALSE(refresher.refresh_now());
  f.transport.on_refresh(refusal);
  CHECK_FALSE(refresher.refresh_now());
  f.transport.on_refresh(nullptr);
  CHECK_FALSE(refresher.refresh_now());
  CHECK(f.events.take() == Names{"token_expired"});
  f.transport.on_refresh([&] { return RefreshedToken{f.next(), {}}; });  // its clock differs
  CHECK(refresher.refresh_now());
  CHECK(refresher.refresh_now());
  CHECK(f.events.take() == Names{"token_recovered"});
}

TEST_CASE("token expiry: a refused token that lives is said once too, and until it is over") {
  Fixture f;
  Refresher refresher({f.slot, f.transport, f.clock, f.boot});
  f.transport.on_refresh(refusal);
  CHECK_FALSE(refresher.refresh_now());
  f.transport.on_refresh(nullptr);  // away: it is still refused, as far as anybody knows
  CHECK_FALSE(refresher.refresh_now());
  f.advance(2h);
  CHECK_FALSE(refresher.refresh_now());
  CHECK(f.events.take() == Names{"token_refused"});
  f.transport.on_refresh([&] { return RefreshedToken{f.next(), {}}; });
  CHECK(refresher.refresh_now());
  CHECK(f.events.take() == Names{"token_recovered"});
}

TEST_CASE("token expiry: its thread notices the end by itself") {
  Fixture f;
  f.slot.set(held(fresh_token(2s)));
  f.write_service_account("proof");
  const ServiceAccountFile service_account(f.directory / "sa");
  const Secret issued = fresh_token();
  f.transport.on_issue([&] { return RefreshedToken{issued.clone(), {}}; });
  {
    const Refresher refresher({f.slot, f.transport, f.clock, f.boot, nullptr, &service_account});
    std::unique_lock lock(f.transport.mutex);
    CHECK(f.transport.called.wait_for(lock, 30s, [&] {
      return !f.transport.asked.empty() && f.transport.asked.back() == "proof";
    }));
  }  // joins: the answer has been taken
  CHECK(f.slot.get()->bearer.equals(issued.reveal()));
}

TEST_CASE("token expiry: a wall clock that is set moves neither the end nor the refresh") {
  Fixture f;
  SUBCASE("back: the thread asks in time") {
    f.slot.set(held(fresh_token(2s)));
    const Refresher refresher({f.slot, f.transport, f.clock, f.boot});
    f.clock.step(-24h);
    std::unique_lock lock(f.transport.mutex);
    CHECK(f.transport.called.wait_for(lock, 30s, [&] { return !f.transport.asked.empty(); }));
  }
  SUBCASE("back: the life ends when it ends") {
    Refresher refresher({f.slot, f.transport, f.clock, f.boot});
    f.clock.step(-24h);
    CHECK_FALSE(refresher.has_ended());
    f.advance(61min);
    CHECK(refresher.has_ended());
  }
  SUBCASE("forward: a living token is asked with, not given up") {
    f.write_service_account("proof");
    const ServiceAccountFile service_account(f.directory / "sa");
    Refresher refresher({f.slot, f.transport, f.clock, f.boot, nullptr, &service_account});
    f.clock.step(24h);
    CHECK_FALSE(refresher.has_ended());
    CHECK_FALSE(refresher.refresh_now());
    CHECK(f.transport.questions() == Names{"refresh"});
    CHECK(f.events.take() == Names{"token_refresh_failed"});
  }
  SUBCASE("at the start it was behind") {
    f.clock.step(-24h);
    Refresher refresher({f.slot, f.transport, f.clock, f.boot});
    f.advance(61min);
    CHECK(refresher.has_ended());
  }
  SUBCASE("it was behind when a replaced file was taken") {
    const TokenFile file(f.directory / "token");
    Refresher refresher({f.slot, f.transport, f.clock, f.boot, &file});
    f.clock.step(-24h);
    const Secret replaced = fresh_token();
    REQUIRE(file.write(*held(replaced)));
    f.transport.on_refresh(refusal);
    CHECK_FALSE(refresher.refresh_now());
    CHECK(f.slot.get()->bearer.equals(replaced.reveal()));
    f.advance(61min);
    CHECK(refresher.has_ended());
  }
}
