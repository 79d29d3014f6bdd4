// What a token of a grant costs a request, with a warm cache: the call alone, and through the proxy
// beside requests without a token.  Two kept connections to two hosts are asked in turn, and the
// hosts change places many times: what one connection is slower than the other falls out.
//   grants_bench
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>

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
  // This host alone, until its token is there.
  void bind(const std::string& host) {
    source->replace({identity::BindingTable::build({binding(host)}).value(), {}});
    warm_up(host);
  }
  void warm_up(const std::string& host) {
    const InjectionPlace place{host, 443, "/a", true};
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
  grants.warm_up("up.test");
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

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A kept connection and what each of a block's requests took on it.
struct Asker {
  Asker(ProxyFixture& fixture, const std::string& name)
      : host(name), client(fixture.tunnel(name)) {}
  void ask() {
    const auto begun = Steady::now();
    const bool good = client.ask(request).starts_with("HTTP/1.1 200 ");
    times.push_back(microseconds(Steady::now() - begun));
    if (!good) std::puts("a request was not answered by 200");
  }

  std::string host, request = "GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  Client client;
  std::vector<double> times;
};

struct Block {
  double plain, injected;  // medians
};
Block measure_block(Grants& grants, Asker& plain, Asker& injected) {
  constexpr int warm_up = 20, pairs = 400;
  grants.bind(injected.host);
  for (int i = 0; i < warm_up + pairs; ++i) {
    if (i == warm_up) plain.times.clear(), injected.times.clear();
    Asker& first = i % 2 == 0 ? plain : injected;
    first.ask();
    (&first == &plain ? injected : plain).ask();
  }
  return {median(plain.times), median(injected.times)};
}

void measure_requests(int rounds) {
  Grants grants(0);
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Asker one(fixture, "up.test"), other(fixture, "ro.test");
  std::vector<double> plain, added;
  for (int i = 0; i < rounds; ++i) {
    const Block there = measure_block(grants, one, other), back = measure_block(grants, other, one);
    plain.push_back((there.plain + back.plain) / 2);
    added.push_back((there.injected - there.plain + back.injected - back.plain) / 2);
  }
  std::sort(added.begin(), added.end());
  const std::size_t quarter = added.size() / 4;
  std::printf(
      "through the proxy, %d rounds: a plain request %.1f us; a token adds %.1f us"
      " (quartiles %.1f and %.1f us)\n",
      rounds, median(plain), median(added), added[quarter], added[added.size() - 1 - quarter]);
}

}  // namespace

TEST_CASE("the cost of a token") {
  for (const int others : {0, 15, 255}) measure_calls(others, 200'000);
  for (int run = 0; run < 3; ++run) measure_requests(40);
}

}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  if (!keyward::netproxy::enter_network_namespace()) return 77;
  std::signal(SIGPIPE, SIG_IGN);
  return doctest::Context(argc, argv).run();
}
