#include "gateway/authn/rate_limiter.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::gateway;

namespace {

TimePoint at(int ms) { return TimePoint(std::chrono::milliseconds(1'000'000 + ms)); }

int allowed(RateLimiter& limiter, const char* key, int calls, TimePoint now) {
  int count = 0;
  for (int i = 0; i < calls; ++i) count += limiter.allow(key, now) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("rate limiter: a burst, then the rate, each key for itself") {
  RateLimiter limiter({10, 5});
  CHECK(allowed(limiter, "a", 20, at(0)) == 5);
  CHECK(allowed(limiter, "b", 20, at(0)) == 5);
  CHECK(allowed(limiter, "a", 20, at(99)) == 0);
  CHECK(allowed(limiter, "a", 20, at(300)) == 3);
  CHECK(allowed(limiter, "a", 20, at(100'000)) == 5);  // no more than the burst
}

TEST_CASE("rate limiter: a clock that jumps") {
  RateLimiter limiter({10, 5});
  CHECK(allowed(limiter, "a", 20, at(100'000)) == 5);
  CHECK(allowed(limiter, "a", 20, at(0)) == 0);    // back: nothing is given
  CHECK(allowed(limiter, "a", 20, at(200)) == 2);  // and it goes on from there
}

TEST_CASE("rate limiter: no limit") {
  RateLimiter limiter({0, 0});
  CHECK(allowed(limiter, "a", 1000, at(0)) == 1000);
}

TEST_CASE("rate limiter: memory is bounded, and the busiest are kept") {
  RateLimiter limiter({1, 2}, 3);
  CHECK(allowed(limiter, "busy", 5, at(0)) == 2);
  for (int i = 0; i < 100; ++i) {
    CHECK(limiter.allow("stranger " + std::to_string(i), at(0)));
    CHECK_FALSE(limiter.allow("busy", at(0)));
  }
  CHECK(allowed(limiter, "stranger 0", 5, at(0)) == 2);  // forgotten, so anew
}
