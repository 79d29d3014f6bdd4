#include "identity/token/refresh_schedule.hpp"

#include <doctest/doctest.h>

using namespace keyward::identity;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST_CASE("refresh schedule: 80 % of what remains, within bounds") {
  struct Case {
    const char* name;
    milliseconds remaining;
    double jitter;
    milliseconds want;
  };
  for (const Case& c : std::initializer_list<Case>{{"an hour, no jitter", 1h, 0.5, 48min},
                                                   {"an hour, earliest", 1h, 0.0, 2736s},
                                                   {"short", 10s, 0.5, 8s},
                                                   {"very short", 500ms, 0.5, 1s},
                                                   {"expired", 0s, 0.5, 1s},
                                                   {"long expired", -1h, 0.9, 1s},
                                                   {"years", 87600h, 0.5, 12h},
                                                   {"years, latest", 87600h, 1.0, 12h}}) {
    CAPTURE(c.name);
    CHECK(refresh_delay(c.remaining, c.jitter) == c.want);
  }
}

TEST_CASE("refresh schedule: a life is never longer than the token's, whatever the clock says") {
  using keyward::TimePoint;
  const TimePoint issued(1000h);
  CHECK(life_left(issued, issued + 1h, issued) == 1h);
  CHECK(life_left(issued, issued + 1h, issued + 20min) == 40min);
  CHECK(life_left(issued, issued + 1h, issued + 3h) == -2h);
  CHECK(life_left(issued, issued + 1h, issued - 500h) == 1h);
  CHECK(life_left(issued, issued - 1h, issued - 500h) == -1h);
}

TEST_CASE("refresh schedule: jitter spreads and stays before the end") {
  for (double jitter = 0; jitter < 1; jitter += 0.05) {
    const milliseconds delay = refresh_delay(1h, jitter);
    CHECK(delay >= 45min);
    CHECK(delay <= 51min);
  }
  CHECK(refresh_delay(1h, 0.0) < refresh_delay(1h, 0.99));
}

TEST_CASE("retry: doubles to a cap and never sleeps past the end") {
  CHECK(retry_delay(1, 24h, 0.5) == 10s);
  CHECK(retry_delay(2, 24h, 0.5) == 20s);
  CHECK(retry_delay(3, 24h, 0.5) == 40s);
  CHECK(retry_delay(6, 24h, 0.5) == 5min);
  CHECK(retry_delay(4'000'000'000U, 24h, 0.5) == 5min);
  CHECK(retry_delay(0, 24h, 0.5) == 10s);
  CHECK(retry_delay(6, 8s, 0.5) == 4s);
  CHECK(retry_delay(6, 1ms, 0.5) == 1s);
  CHECK(retry_delay(6, -1h, 0.5) == 5min);
  CHECK(retry_delay(1, 24h, 0.0) == 8s);
}
