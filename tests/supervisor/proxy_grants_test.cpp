// Token grants behind the proxy, everything real but the program: an agent on a unix socket, a
// token endpoint, an upstream and clients, all in a network namespace of their own.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>

#include "supervisor/token_grants.hpp"
#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/support/fake_agent.hpp"
#include "tests/support/http_service.hpp"
#include "tests/support/test_directory.hpp"

namespace keyward::netproxy {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t many = 1000;
constexpr const char* get = "GET /a HTTP/1.1\r\nHost: up.test\r\n\r\n";
const SystemClock wall;

// Each request has a socket at both ends of both hops.
bool allow_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 4 * many + 512;
  limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void wait_until(const std::function<bool()>& ready) {
  for (int i = 0; i < 10'000 && !ready(); ++i) std::this_thread::sleep_for(2ms);
  REQUIRE(ready());
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Its answers wait until they are let go.
struct Issuer {
  std::atomic<bool> open{false};
  std::atomic<int> asked{0};
  tests::HttpService server{[this](const std::string&) {
    const int number = ++asked;
    while (!open) std::this_thread::sleep_for(2ms);
    return tests::Reply{200,
                        R"({"access_token":"token)" + std::to_string(number) +
                            R"(","token_type":"Bearer","expires_in":600})",
                        "Content-Type: application/json\r\n"};
  }};
};

struct Grants {
  Grants() {
    supervisor::TokenGrantSettings settings;
    settings.agent = identity::WorkloadEndpoint{path};
    settings.grants.spiffe_id = tests::workload_id;
    settings.endpoints.rules.loopback = true;
    settings.endpoints.deadline = settings.endpoints.connect_deadline =
        1h;  // nothing ends by itself
    source.emplace(std::move(settings), wall);
    bind();
  }
  void bind() {
    identity::GrantBinding binding;
    binding.where = {"up.test", 443, ""};
    binding.identity = "idp:token";
    binding.grant.token_endpoint = "http://" + issuer.server.url().authority() + "/token";
    binding.grant.svid_audience = "https://as.test";
    source->replace({identity::BindingTable::build({binding}).value(), {}});
  }
  tests::TestDirectory folder;
  std::string path = folder / "agent.sock";
  tests::FakeAgent agent{path};
  Issuer issuer;
  std::optional<supervisor::TokenGrants> source;
};

}  // namespace

TEST_CASE("proxy grants: a thousand requests on a cold cache are one question") {
  REQUIRE(allow_descriptors());
  Grants grants;
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  std::vector<Client> clients;
  for (std::size_t i = 0; i < many; ++i) clients.push_back(fixture.tunnel("up.test"));
  for (Client& client : clients) REQUIRE(client.write(get));
  const std::string all_wait =
      "keyward_supervisor_grant_requests_total{served=\"waited\"} " + std::to_string(many) + "\n";
  wait_until([&] { return has(grants.source->metrics(), all_wait); });
  wait_until([&] { return grants.issuer.asked > 0; });
  CHECK(fixture.origin.requests() == 0);
  grants.issuer.open = true;
  std::size_t good = 0;
  for (Client& client : clients)
    good += client.read_answer("GET").starts_with("HTTP/1.1 200 ") ? 1 : 0;
  CHECK(good == many);
  CHECK(grants.issuer.asked == 1);
  CHECK(grants.agent.calls() == 1);
  CHECK(fixture.origin.requests() == static_cast<int>(many));
  CHECK(has(fixture.origin.last_head(), "\r\nauthorization: Bearer token1\r\n"));
}

TEST_CASE("proxy grants: what is withdrawn stops at once, on connections that are open") {
  Grants grants;
  grants.issuer.open = true;
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Client client = fixture.tunnel("up.test");
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  CHECK(has(fixture.origin.last_head(), "Bearer token1"));
  grants.source->replace({});
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  CHECK_FALSE(has(fixture.origin.last_head(), "Bearer"));
  grants.source->replace({{}, {{std::nullopt, "the gateway's authority is lost"}}});
  CHECK(client.ask(get).starts_with("HTTP/1.1 502 "));
  CHECK(fixture.origin.requests() == 2);
  CHECK(fixture.origin.connections() == 1);
}

TEST_CASE("proxy grants: a request that waits while its grant is withdrawn gets no token") {
  Grants grants;
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Client client = fixture.tunnel("up.test");
  client.write(get);
  wait_until([&] { return grants.issuer.asked == 1; });
  grants.source->replace({});
  CHECK(client.read_answer("GET").starts_with("HTTP/1.1 503 "));
  grants.issuer.open = true;
  CHECK(fixture.origin.requests() == 0);
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));  // without a token: none is bound
  CHECK_FALSE(has(fixture.origin.last_head(), "Bearer"));
}

TEST_CASE("proxy grants: a token that is withdrawn while a body comes is not used") {
  Grants grants;
  grants.issuer.open = true;
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Client client = fixture.tunnel("up.test");
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  const std::string half = "POST /a HTTP/1.1\r\nHost: up.test\r\nContent-Length: 2\r\n\r\nh";
  client.write(half);
  wait_until([&] {
    return has(grants.source->metrics(),
               "keyward_supervisor_grant_requests_total{served=\"held\"} 1\n");
  });
  grants.source->replace({});
  client.write("i");
  CHECK(client.read_answer("POST").starts_with("HTTP/1.1 503 "));
  CHECK(fixture.origin.requests() == 1);
  // The other way round: what was held is used where it still may be.
  grants.bind();
  Client other = fixture.tunnel("up.test");
  other.write(half);
  wait_until([&] { return grants.issuer.asked == 2; });
  other.write("i");
  CHECK(other.read_answer("POST").starts_with("HTTP/1.1 200 "));
  CHECK(has(fixture.origin.last_head(), "\r\nauthorization: Bearer token2\r\n"));
  CHECK(grants.issuer.asked == 2);
}

TEST_CASE("proxy grants: the end waits neither for an issuer nor for an agent that hangs") {
  Grants grants;
  ProxyFixture fixture(ProxySettings{}, &*grants.source);
  Client client = fixture.tunnel("up.test");
  client.write(get);
  wait_until([&] { return grants.issuer.asked == 1; });
  fixture.proxy.reset();
  grants.source.reset();  // while the issuer hangs
  grants.issuer.open = true;
}

}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  if (!keyward::netproxy::enter_network_namespace()) return 77;
  std::signal(SIGPIPE, SIG_IGN);  // peers write with OpenSSL's own socket calls
  return doctest::Context(argc, argv).run();
}
