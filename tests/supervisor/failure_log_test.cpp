// Failures that a sandboxed program can cause at any pace, in the log.
#include "supervisor/failure_log.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "base/log.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using namespace std::chrono_literals;

namespace {

struct Lines final : log::Observer {
  Lines() { log::set_observer(this); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() override { log::set_observer(nullptr); }
  void line(log::Level, std::string_view event, log::Fields fields) override {
    std::string text(event);
    for (const auto& [name, value] : fields)
      text.append(" ").append(name).append("=").append(value);
    seen.push_back(text);
  }
  std::vector<std::string> seen;
};

}  // namespace

TEST_CASE("failure log: each text once in 30 s, and how often it was kept back") {
  Lines lines;
  FailureLog failures("not_granted");
  FailureLog::Time now{1h};
  const Error away{Code::unavailable, "idp:token: away"}, refused{Code::denied, "idp:token: no"};
  for (int i = 0; i < 1000; ++i) failures.note(away, now);
  failures.note(refused, now);
  now += 30s - 1ns;
  failures.note(away, now);
  CHECK(lines.seen == std::vector<std::string>{"not_granted detail=idp:token: away",
                                               "not_granted detail=idp:token: no"});
  now += 1ns;
  failures.note(away, now);
  failures.note(refused, now);
  REQUIRE(lines.seen.size() == 4);
  CHECK(lines.seen[2] == "not_granted detail=idp:token: away kept_back=1000");
  CHECK(lines.seen[3] == "not_granted detail=idp:token: no");
}

TEST_CASE("failure log: texts that differ each time have an end, too") {
  Lines lines;
  FailureLog failures("not_granted");
  FailureLog::Time now{1h};
  for (int i = 0; i < 10'000; ++i) failures.note({Code::denied, "text " + std::to_string(i)}, now);
  CHECK(lines.seen.size() == 256);
  now += 30s;
  failures.note({Code::denied, "text after that"}, now);
  CHECK(lines.seen.size() == 257);
}
