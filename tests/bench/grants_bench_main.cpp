// What a token of a grant costs a request, with a warm cache: the call alone, and through the proxy
// beside requests without a token, one of each in turn on two kept connections.
//   grants_bench
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <numeric>

#include "supervisor/token_grants.hpp"
#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/support/fake_agent.hpp"
#include "tests/support/test_directory.hpp"

namespace keyward::netproxy {
namespace {

using Steady = std::chrono::steady_clock;

const SystemClock wall;

double microseconds(Steady::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// Grants of raw JWT-SVIDs: only an agent is needed to fill the cache.
struct Grants {
  explicit Grants(int others) {
    supervisor::TokenGrantSettings settings;
    settings.agent = identity::WorkloadEndpoint{path};
    settings.grants.spiffe_id = tests::workload_id;
    source.emplace(std::move(settings), wall);
    std::vector<identity::GrantBinding> bindings = {binding("up.test")};
    for (int i = 0; i < others; ++i)
      bindings.push_back(binding("*.host" + std::to_string(i) + ".test"));
    source->replace({identity::BindingTable::build(bindings).value(), {}});
  }
  static identity::GrantBinding binding(const std::string& host) {
    identity::GrantBinding made;
    made.where = {host, 443, ""};
    made.identity = "idp:token";
    made.grant.kind = identity::GrantKind::raw_svid;
    made.grant.svid_audience = "https://" + host;
    return made;
  }
  // Until the cache is warm.
  void warm_up() {
    const InjectionPlace place{"up.test", 443, "/a", true};
    while (!source->injection_for(place, [](const auto&) {}))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

  tests::TestDirectory folder;
  std::string path = folder / "agent.sock";
  tests::FakeAgent agent{path};
  std::optional<supervisor::TokenGrants> source;
};

void measure_calls(int others, int calls) {
  Grants grants(others);
  grants.warm_up();
  const InjectionPlace bound{"up.test", 443, "/v1/orders/17", true};
  const InjectionPlace free{"ro.test", 443, "/v1/orders/17", true};
  std::size_t headers = 0;
  auto begun = Steady::now();
  for (int i = 0; i < calls; ++i)
    headers += (**grants.source->injection_for(bound, [](const auto&) {}))->headers.size();
  const double injected = microseconds(Steady::now() - begun) / calls;
  begun = Steady::now();
  for (int i = 0; i < calls; ++i) headers += grants.source->binds(free.host, free.port) ? 1 : 0;
  const double asked = microseconds(Steady::now() - begun) / calls;
  if (headers != static_cast<std::size_t>(calls)) std::puts("the calls gave something else");
  std::printf("%3d bindings: the headers of a request %.2f us; is anything bound there %.2f us\n",
              others + 1, injected, asked);
}

struct Times {
  std::vector<double> all;
  double at(double part) {
    std::sort(all.begin(), all.end());
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  }
  double middle_mean() {  // of the faster three quarters: what the machine does beside is not ours
    std::sort(all.begin(), all.end());
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(all.size() * 3 / 4);
    return std::accumulate(all.begin(), end, 0.0) / static_cast<double>(end - all.begin());
  }
};

void measure_requests(int requests) {
  Grants grants(0);
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Client plain = fixture.tunnel("ro.test"), injected = fixture.tunnel("up.test");
  const std::string to_plain = "GET /a HTTP/1.1\r\nHost: ro.test\r\n\r\n",
                    to_injected = "GET /a HTTP/1.1\r\nHost: up.test\r\n\r\n";
  Times without, with;
  const auto one = [](Client& client, const std::string& request, Times& times) {
    const auto begun = Steady::now();
    const bool good = client.ask(request).starts_with("HTTP/1.1 200 ");
    times.all.push_back(microseconds(Steady::now() - begun));
    return good;
  };
  int bad = 0;
  for (int i = 0; i < requests + 200; ++i) {
    if (i == 200) without.all.clear(), with.all.clear();  // warmed up
    const bool first = i % 2 == 0;
    bad += one(first ? plain : injected, first ? to_plain : to_injected, first ? without : with)
               ? 0
               : 1;
    bad += one(first ? injected : plain, first ? to_injected : to_plain, first ? with : without)
               ? 0
               : 1;
  }
  if (bad > 0) std::printf("%d requests were not answered by 200\n", bad);
  std::printf(
      "through the proxy, %d of each: plain p50 %.1f us, mean %.1f us; injected p50 %.1f us, "
      "mean %.1f us; added p50 %.1f us, mean %.1f us\n",
      requests, without.at(0.5), without.middle_mean(), with.at(0.5), with.middle_mean(),
      with.at(0.5) - without.at(0.5), with.middle_mean() - without.middle_mean());
}

}  // namespace

TEST_CASE("the cost of a token") {
  for (const int others : {0, 15, 255}) measure_calls(others, 200'000);
  for (int round = 0; round < 3; ++round) measure_requests(10'000);
}

}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  if (!keyward::netproxy::enter_network_namespace()) return 77;
  std::signal(SIGPIPE, SIG_IGN);
  return doctest::Context(argc, argv).run();
}
