#include "supervisor/log_push.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::supervisor;
using identity::PushedLine;

namespace {

// A gateway's end: keeps what arrives, and can refuse.
struct Sink {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<PushedLine> lines;
  int calls = 0;
  bool refuses = false;

  LogPush::Push push() {
    return [this](const std::vector<PushedLine>& batch) -> identity::RpcResult<> {
      const std::lock_guard lock(mutex);
      ++calls;
      changed.notify_all();
      if (refuses) return tl::unexpected(identity::RpcError{identity::grpc_unavailable, "away"});
      lines.insert(lines.end(), batch.begin(), batch.end());
      return {};
    };
  }
  template <class Condition>
  bool comes_true(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }
};

}  // namespace

TEST_CASE("log push: lines of its level arrive with their fields, in order") {
  Sink sink;
  const SystemClock clock;
  {
    LogPush push(sink.push(), log::Level::warn, clock);
    log::info("below", {});
    log::warn("first", {{"key", "value"}});
    log::error("second");
    CHECK(sink.comes_true([&] { return sink.lines.size() == 2; }));
    log::warn("at the end");
  }
  log::error("afterwards");
  REQUIRE(sink.lines.size() == 3);
  CHECK(sink.lines[0].message == "first");
  CHECK(sink.lines[0].level == "warn");
  CHECK(sink.lines[0].fields.at(0) == std::pair<std::string, std::string>("key", "value"));
  CHECK(sink.lines[1].message == "second");
  CHECK(sink.lines[2].message == "at the end");
}

TEST_CASE("log push: a gateway that is away costs a bounded number of lines, and says how many") {
  Sink sink;
  sink.refuses = true;
  const SystemClock clock;
  {
    LogPush push(sink.push(), log::Level::warn, clock);
    log::set_level(log::Level::error);  // for the observer only: not three thousand lines on stderr
    for (int i = 0; i < 3000; ++i) log::warn("line", {{"n", std::to_string(i)}});
    log::set_level(log::Level::info);
    REQUIRE(sink.comes_true([&] { return sink.calls >= 2; }));
    const std::lock_guard lock(sink.mutex);
    sink.refuses = false;
  }
  REQUIRE_FALSE(sink.lines.empty());
  const auto& lost = sink.lines.front();
  REQUIRE(lost.message == "log_lines_lost");
  CHECK(std::stoul(lost.fields.at(0).second) + sink.lines.size() - 1 == 3000);
  CHECK(sink.lines.size() <= LogPush::queue_limit + 1);
  CHECK(sink.lines.back().fields.at(0).second == "2999");
}

TEST_CASE("log push: its end does not wait for a gateway that is away") {
  Sink sink;
  sink.refuses = true;
  const SystemClock clock;
  {
    LogPush push(sink.push(), log::Level::warn, clock);
    log::warn("line");
  }
  CHECK(sink.lines.empty());
  CHECK(sink.calls <= 2);
}
