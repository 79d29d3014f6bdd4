// What Prometheus reads.
#include "base/exposition.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using std::chrono::microseconds;

TEST_CASE("exposition: values with labels that nothing can end") {
  Exposition out("keyward_x_");
  out.begin("calls_total", "counter", "Calls.").value("", 3);
  out.begin("parts", "gauge", "Parts.");
  out.value(Exposition::label("name", "a\"b\\c\nd") + "," + Exposition::label("kind", ""), 1);
  CHECK(out.take() ==
        "# HELP keyward_x_calls_total Calls.\n# TYPE keyward_x_calls_total counter\n"
        "keyward_x_calls_total 3\n# HELP keyward_x_parts Parts.\n# TYPE keyward_x_parts gauge\n"
        "keyward_x_parts{name=\"a\\\"b\\\\c\\nd\",kind=\"\"} 1\n");
}

TEST_CASE("exposition: a histogram's buckets hold all that is below them") {
  DurationHistogram histogram;
  for (const int time : {0, 5'000, 5'001, 900'000, 20'000'000}) histogram.count(microseconds(time));
  Exposition out("h_");
  const std::string text = out.begin("seconds", "histogram", "Time.").histogram(histogram).take();
  for (const char* line :
       {"h_seconds_bucket{le=\"0.005\"} 2\n", "h_seconds_bucket{le=\"0.01\"} 3\n",
        "h_seconds_bucket{le=\"0.5\"} 3\n", "h_seconds_bucket{le=\"1\"} 4\n",
        "h_seconds_bucket{le=\"15\"} 4\n", "h_seconds_bucket{le=\"+Inf\"} 5\n",
        "h_seconds_sum 20.910001\n", "h_seconds_count 5\n"})
    CHECK_MESSAGE(text.find(line) != std::string::npos, text);
}
