// Granted tokens that are held: for how long, by how many requests, and what a failure costs.
#include "identity/grant/cache.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  BootTime now{1'000'000s};
  GrantCache cache;

  GrantCache::Flight begin(const std::string& key = "k") {
    const auto look = cache.look(key, now);
    REQUIRE(look.begin.has_value());
    return *look.begin;
  }
  HeldTokenPtr fill(const TokenLife& life, const std::string& key = "k", double chance = 0.5) {
    return cache.succeeded(begin(key), {Secret("token-of-" + key), {}}, life, {now, chance});
  }
  bool held(const std::string& key = "k") { return cache.look(key, now).token != nullptr; }
};

const Error away{Code::unavailable, "away"};

}  // namespace

TEST_CASE_FIXTURE(
    Fixture, "grant cache: a life is the least of answer, override and clamp, minus the skew") {
  CHECK(fill({600s, 0s})->expires == now + 570s);
  CHECK(fill({600s, 100s}, "b")->expires == now + 90s);    // a tenth where that is less than 30 s
  CHECK(fill({60s, 86400s}, "c")->expires == now + 54s);   // an override never lengthens
  CHECK(fill({86400s, 0s}, "d")->expires == now + 3570s);  // nor does a generous server
  CHECK(fill({1000s, 0s}, "e", 0.0)->refresh < fill({1000s, 0s}, "f", 0.99)->refresh);
  now += 570s - 1ms;
  CHECK(held("k"));
  now += 1ms;
  CHECK_FALSE(held("k"));
}

TEST_CASE_FIXTURE(Fixture, "grant cache: a short life is not held, but is no question for each") {
  const auto token = fill({9s, 0s});
  REQUIRE(token != nullptr);
  CHECK(token->token.reveal() == "token-of-k");
  now += 999ms;
  CHECK(cache.look("k", now).token == token);
  CHECK_FALSE(cache.look("k", now).begin.has_value());
  now += 1ms;
  CHECK_FALSE(held());
  fill({1s, 0s}, "b");
  now += 899ms;
  CHECK(held("b"));
  now += 1ms;  // its own end comes first
  CHECK_FALSE(held("b"));
}

TEST_CASE_FIXTURE(Fixture, "grant cache: one flight for each key") {
  const auto flight = begin();
  for (int i = 0; i < 10; ++i) {
    const auto look = cache.look("k", now);
    CHECK(look.under_way);
    CHECK_FALSE(look.begin.has_value());
    CHECK(look.token == nullptr);
  }
  begin("other");
  cache.succeeded(flight, {Secret("t"), {}}, {600s, 0s}, {now, 0.5});
  CHECK(held());
  CHECK(cache.succeeded(flight, {Secret("twice"), {}}, {600s, 0s}, {now, 0.5}) == nullptr);
  CHECK(cache.look("k", now).token->token.reveal() == "t");
}

TEST_CASE_FIXTURE(
    Fixture, "grant cache: renewed ahead of the end, by one, while the others use the old one") {
  const auto token = fill({1000s, 0s});
  now = token->refresh;
  const auto first = cache.look("k", now);
  CHECK(first.token == token);
  REQUIRE(first.begin.has_value());
  const auto second = cache.look("k", now);
  CHECK(second.token == token);
  CHECK(second.under_way);
  cache.failed(*first.begin, away, 0s, {now, 0.5});
  CHECK(cache.look("k", now).token == token);  // still good; not asked again at once
  CHECK_FALSE(cache.look("k", now).begin.has_value());
  now += 2s;
  const auto again = cache.look("k", now);
  REQUIRE(again.begin.has_value());
  const auto fresh = cache.succeeded(*again.begin, {Secret("fresh"), {}}, {1000s, 0s}, {now, 0.5});
  CHECK(cache.look("k", now).token == fresh);
  CHECK(token->token.reveal() == "token-of-k");  // who holds the old one may finish with it
}

TEST_CASE_FIXTURE(Fixture,
                  "grant cache: no token is used after its end, however long the server is away") {
  const auto token = fill({100s, 0s});
  now = token->expires;
  const auto look = cache.look("k", now);
  CHECK(look.token == nullptr);
  cache.failed(*look.begin, away, 0s, {now, 0.5});
  const auto refused = cache.look("k", now);
  CHECK(refused.token == nullptr);
  REQUIRE(refused.failed.has_value());
  CHECK(refused.failed->what == "away");
}

TEST_CASE_FIXTURE(Fixture, "grant cache: failures are remembered, longer each time, with jitter") {
  std::vector<std::chrono::milliseconds> pauses;
  GrantCache::Flight flight = begin();
  for (int i = 0; i < 9; ++i) {
    cache.failed(flight, away, 0s, {now, 0.5});
    const BootTime failed_at = now;
    GrantCache::Look look;
    for (look = cache.look("k", now); !look.begin; look = cache.look("k", now)) {
      CHECK(look.failed.has_value());
      now += 500ms;
    }
    flight = *look.begin;
    pauses.push_back(now - failed_at);
  }
  CHECK(pauses == std::vector<std::chrono::milliseconds>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s});
  cache.failed(flight, away, 30s, {now, 0.0});
  CHECK_FALSE(cache.look("k", now + 24s - 1ms).begin.has_value());
  CHECK(cache.look("k", now + 24s).begin.has_value());  // a fifth earlier than the 30 s it was told
}

TEST_CASE_FIXTURE(Fixture,
                  "grant cache: withdrawn keys are gone at once, and what is under way for them "
                  "ends without effect") {
  fill({600s, 0s}, "a");
  fill({600s, 0s}, "b");
  const auto flight = begin("c");
  cache.keep_only({"a"});
  CHECK(held("a"));
  CHECK_FALSE(held("b"));
  CHECK(cache.succeeded(flight, {Secret("late"), {}}, {600s, 0s}, {now, 0.5}) == nullptr);
  CHECK_FALSE(held("c"));
}

TEST_CASE_FIXTURE(Fixture,
                  "grant cache: a refused token is dropped once, and no faster than the pause") {
  auto token = fill({600s, 0s});
  CHECK(cache.invalidate("k", *token, now));
  CHECK_FALSE(cache.invalidate("k", *token, now));
  token = fill({600s, 0s});
  CHECK_FALSE(cache.invalidate("k", *token,
                               now));  // who makes an upstream say 401 does not hammer the server
  CHECK(held());
  now += 31s;
  CHECK(cache.invalidate("k", *token, now));
  CHECK_FALSE(cache.invalidate("unknown", *token, now));
}

TEST_CASE("grant cache: bounded in entries and bytes, the least recently used goes first") {
  BootTime now{1'000'000s};
  CacheRules rules;
  rules.entries = 4;
  GrantCache cache(rules);
  const auto fill = [&](GrantCache& into, const std::string& key, std::size_t size) {
    into.succeeded(*into.look(key, now).begin, {Secret(std::string(size, 'x')), {}}, {600s, 0s},
                   {now, 0.5});
  };
  for (const char* key : {"a", "b", "c", "d"}) fill(cache, key, 10);
  CHECK(cache.look("a", now).token != nullptr);
  fill(cache, "e", 10);
  CHECK(cache.size() == 4);
  CHECK(cache.look("a", now).token != nullptr);
  CHECK(cache.look("b", now).token == nullptr);

  rules.entries = 1000;
  rules.bytes = 10'000;
  GrantCache small(rules);
  for (int i = 0; i < 50; ++i) fill(small, std::to_string(i), 1000);
  CHECK(small.size() < 10);
  CHECK(small.look("49", now).token != nullptr);
}
