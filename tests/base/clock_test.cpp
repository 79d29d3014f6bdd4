#include "base/clock.hpp"

#include <doctest/doctest.h>

using namespace keyward;

TEST_CASE("clock: AWS dates, both ways") {
  for (const char* text : {"20150830T123600Z", "19700101T000000Z", "20240229T235959Z",
                           "20000229T000000Z", "99991231T235959Z"}) {
    CAPTURE(text);
    const auto time = parse_amz_date(text);
    REQUIRE(time.has_value());
    CHECK(amz_date(*time) == text);
  }
  CHECK(parse_amz_date("20130524T000000Z")->time_since_epoch().count() == 1369353600000);
}

TEST_CASE("clock: no AWS date") {
  for (const char* text :
       {"", "20150830", "20150830T123600", "20150830T123600z", "20150830t123600Z",
        "20150830T123600Z ", " 20150830T123600Z", "2015-08-30T12:36:00Z", "20150230T000000Z",
        "20230229T000000Z", "20151301T000000Z", "20150001T000000Z", "20150800T000000Z",
        "20150830T240000Z", "20150830T126000Z", "20150830T123660Z", "2015083xT123600Z",
        "+0150830T123600Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_amz_date(text).has_value());
  }
}
