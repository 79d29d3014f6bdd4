#include "supervisor/presence.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

using namespace keyward;
using namespace keyward::supervisor;
using Steady = std::chrono::steady_clock;

namespace {

// A gateway that ends each session at once; what lies between the first attempt and the second.
struct Refused {
  std::atomic<int> attempts = 0;
  std::atomic<Steady::duration> pause = Steady::duration::zero();
  Steady::time_point first;  // of the presence's thread
  Presence presence{[this]() -> identity::RpcResult<> {
    if (++attempts == 1) first = Steady::now();
    if (attempts == 2) pause = Steady::now() - first;
    return tl::unexpected(identity::RpcError{identity::grpc_unavailable, "gone"});
  }};
};

}  // namespace

TEST_CASE("presence: supervisors that lost their sessions together come back one by one") {
  std::vector<std::unique_ptr<Refused>> all;
  for (int i = 0; i < 16; ++i) all.push_back(std::make_unique<Refused>());
  std::vector<Steady::duration> pauses;
  for (const auto& each : all) {
    while (each->attempts < 2) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    while (each->pause.load() == Steady::duration::zero()) std::this_thread::yield();
    pauses.push_back(each->pause);
  }
  const auto [least, most] = std::minmax_element(pauses.begin(), pauses.end());
  CHECK(*least >= Presence::shortest_pause);
  CHECK(*most - *least > Presence::spread / 8);
}
