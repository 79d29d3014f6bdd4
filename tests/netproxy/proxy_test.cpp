// The proxy as a whole, against an upstream of our own.  The guard never lets loopback be dialled,
// so the test lives in a network namespace of its own with a private address on its loopback
// interface.

#define DOCTEST_CONFIG_IMPLEMENT  // main below enters the namespace first
#include <doctest/doctest.h>

#include <csignal>

#include "tests/netproxy/proxy_fixture.hpp"

namespace keyward::netproxy {

TEST_CASE_FIXTURE(ProxyFixture, "proxy: an allowed request passes through TLS on both sides") {
  Client client = tunnel("up.test");
  const std::string answer = client.ask("GET /hello?x=1 HTTP/1.1\r\nHost: up.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("GET /hello?x=1"));
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "proxy: hosts, methods and programs outside the policy are refused") {
  CHECK(connect_status("other.test:443") == 403);
  CHECK(connect_status("up.test:444") == 403);
  CHECK(connect_status("loop.test:443") == 403);  // resolves to 127.0.0.1: never dialled
  CHECK(connect_status("0x7f.1:443") >= 400);
  Client client = tunnel("ro.test");
  CHECK(client.ask("POST / HTTP/1.1\r\nHost: ro.test\r\nContent-Length: 1\r\n\r\nx")
            .starts_with("HTTP/1.1 403 "));
  CHECK(origin.requests() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: a policy that is closed meanwhile tells the client why") {
  Client client = tunnel("up.test");
  CHECK(client.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  policy.set(std::make_shared<const Policy>(
      Policy::closed("the gateway's authority is lost: it does not know the sandbox any more")));
  const std::string answer = client.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 503 "));
  CHECK(answer.find("the gateway's authority is lost: it does not know") != std::string::npos);
  CHECK(connect_status("up.test:443") == 503);
  CHECK(origin.requests() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: the request's host is the tunnel's host") {
  Client client = tunnel("up.test");
  CHECK(client.ask("GET / HTTP/1.1\r\nHost: ro.test\r\n\r\n").starts_with("HTTP/1.1 421 "));
  CHECK(client.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK_FALSE(try_tunnel("up.test", "ro.test"));  // another SNI
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: upstream connections are reused") {
  for (int connection = 0; connection < 3; ++connection) {
    Client client = tunnel("up.test");
    for (int request = 0; request < 3; ++request)
      CHECK(client.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  CHECK(origin.requests() == 9);
  CHECK(origin.connections() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: an upstream of another authority is refused") {
  Client client = tunnel("wrong.test");
  const std::string answer = client.ask("GET / HTTP/1.1\r\nHost: wrong.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 502 "));
  CHECK(answer.find("upstream_certificate") != std::string::npos);
  CHECK(origin.requests() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: bodies and answers keep their framing") {
  Client client = tunnel("up.test");
  const std::string chunks = client.ask(
      "POST /echo HTTP/1.1\r\nHost: up.test\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  CHECK(chunks.ends_with("5\r\nhello\r\n0\r\n\r\n"));
  CHECK(client.ask("PUT /e HTTP/1.1\r\nHost: up.test\r\nContent-Length: 0\r\n\r\n")
            .starts_with("HTTP/1.1 200 "));
  const std::string head = client.ask("HEAD /h HTTP/1.1\r\nHost: up.test\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(client.ask("GET /chunked HTTP/1.1\r\nHost: up.test\r\n\r\n")
            .ends_with("3\r\nabc\r\n0\r\n\r\n"));
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: a truncated answer does not look complete") {
  Client client = tunnel("up.test");
  const std::string answer = client.ask("GET /truncated HTTP/1.1\r\nHost: up.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.ends_with("part"));
  CHECK_FALSE(client.ended_orderly());
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: a body that is not what was signed never arrives whole") {
  const std::string wrong(64, '0');
  for (const std::size_t size : {std::size_t{5}, std::size_t{300'000}}) {
    CAPTURE(size);
    Client client = tunnel("s3.test");
    const std::string answer = client.ask(signed_put(size, wrong) + std::string(size, 'x'));
    CAPTURE(answer);
    CHECK(answer.starts_with("HTTP/1.1 400 "));
    CHECK(answer.find("<Code>XAmzContentSHA256Mismatch</Code>") != std::string::npos);
  }
  CHECK(origin.whole_bodies() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: a signed body arrives under the real key, and only then") {
  for (const std::size_t size : {std::size_t{5}, std::size_t{300'000}}) {
    Client client = tunnel("s3.test");
    const std::string body(size, 'x');
    const std::string answer = client.ask(signed_put(size, hex(sha256(body))) + body);
    CHECK(answer.starts_with("HTTP/1.1 200 "));
  }
  CHECK(origin.whole_bodies() == 2);
  CHECK(origin.last_head().find("Credential=AKIAREALREALREALREAL/") != std::string::npos);
  CHECK(origin.last_head().find(placeholder.access_key_id) == std::string::npos);
  Client stranger = tunnel("s3.test");
  std::string request = signed_put(0, hex(sha256("")));
  request.replace(request.find(placeholder.access_key_id), 20, "AKIAFOREIGNFOREIGN22");
  CHECK(stranger.ask(request).starts_with("HTTP/1.1 403 "));
  credentials.set(std::make_shared<const Credentials>());
  Client without = tunnel("s3.test");
  CHECK(without.ask(signed_put(0, hex(sha256("")))).starts_with("HTTP/1.1 503 "));
  CHECK(origin.whole_bodies() == 2);
}

TEST_CASE_FIXTURE(ProxyFixture, "proxy: half requests of some do not starve others") {
  std::vector<Client> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(dial_proxy());
    idle.back().write("CONNECT up.test:443 HTTP/1.1\r\nHost: up");
  }
  Client client = tunnel("up.test");
  CHECK(client.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  if (!keyward::netproxy::enter_network_namespace()) return 77;
  std::signal(SIGPIPE, SIG_IGN);  // peers write with OpenSSL's own socket calls
  return doctest::Context(argc, argv).run();
}
