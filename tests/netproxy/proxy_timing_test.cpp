// What happens when: interim and early answers, ends of one direction, silence, too many.

#include <doctest/doctest.h>

#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/netproxy/scripted_origin.hpp"

namespace keyward::netproxy {
namespace {

constexpr const char* get = "GET / HTTP/1.1\r\nHost: up.test:8443\r\n\r\n";
constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr const char* expecting =
    "PUT / HTTP/1.1\r\nHost: up.test:8443\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";

std::string checksum_of(std::string_view body) {
  const Digest digest = sha256(body);
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// True once the proxy has that many connections.
bool comes_to(const Proxy& proxy, std::size_t connections) {
  for (int tries = 0; tries < 2000 && proxy.active_connections() != connections; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return proxy.active_connections() == connections;
}

ProxySettings with_limits(const ProxyLimits& limits) {
  ProxySettings settings;
  settings.limits = limits;
  return settings;
}

}  // namespace

TEST_CASE_FIXTURE(ProxyFixture, "timing: early hints are passed on before the answer") {
  const ScriptedOrigin up(trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    peer.write(ok);
  });
  Client client = tunnel("up.test", 8443);
  client.write(get);
  const std::string hints = client.read_until("\r\n\r\n");
  CHECK(hints.starts_with("HTTP/1.1 103 "));
  CHECK(hints.find("Link: </a>") != std::string::npos);
  CHECK(client.read_until("ok").starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: a protocol change that nobody asked for is refused") {
  const ScriptedOrigin up(trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  });
  Client client = tunnel("up.test", 8443);
  CHECK(client.ask(get).starts_with("HTTP/1.1 502 "));
}

TEST_CASE("timing: an upstream that wants the body and refuses it in one breath") {
  ProxySettings settings;
  settings.limits.idle_timeout = std::chrono::seconds(30);
  ProxyFixture fixture(settings);
  const ScriptedOrigin up(fixture.trusted.get(), 8443, [&](Peer& peer, int) {
    peer.read_head();
    peer.write(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    peer.read_to_end();
  });
  Client client = fixture.tunnel("up.test", 8443);
  client.write(expecting);
  CHECK(client.read_until("no").find("HTTP/1.1 403 ") != std::string::npos);
  const auto begun = std::chrono::steady_clock::now();
  client.read_to_end();  // nobody waits for a body that is not wanted
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(15));
  CHECK(comes_to(*fixture.proxy, 0));
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: the client is told to go on once, by either side") {
  for (const bool upstream_says_so : {true, false}) {
    CAPTURE(upstream_says_so);
    const ScriptedOrigin up(trusted.get(), 8443, [&](Peer& peer, int) {
      CHECK(peer.read_head().find("100-continue") != std::string::npos);
      if (upstream_says_so) peer.write("HTTP/1.1 100 Continue\r\n\r\n");
      CHECK(peer.read_until("abc") == "abc");
      if (!upstream_says_so) peer.write("HTTP/1.1 100 Continue\r\n\r\n");  // late
      peer.write(ok);
    });
    Client client = tunnel("up.test", 8443);
    client.write(expecting);
    CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    client.write("abc");
    CHECK(client.read_until("ok").starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: a body that the upstream does not want is not asked for") {
  const ScriptedOrigin up(trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.write("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno");
    CHECK(peer.read_to_end().empty());
  });
  Client client = tunnel("up.test", 8443);
  client.write(expecting);
  CHECK(client.read_until("no").starts_with("HTTP/1.1 417 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: an answer before the body's end reaches the client") {
  const ScriptedOrigin up(trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.write("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    peer.read_to_end();  // a close with unread bytes would reset the connection, as servers know
  });
  Client client = tunnel("up.test", 8443);
  client.write("PUT / HTTP/1.1\r\nHost: up.test:8443\r\nContent-Length: 100000000\r\n\r\n");
  client.write(std::string(200'000, 'x'));
  const std::string answer = client.read_until("large");
  CAPTURE(answer);
  CHECK(answer.starts_with("HTTP/1.1 413 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: a safe request that met a stale connection is repeated") {
  std::atomic<int> requests{0};
  const ScriptedOrigin up(trusted.get(), 8443, [&](Peer& peer, int number) {
    requests += peer.read_head().starts_with("GET");
    peer.write(ok);
    if (number > 0) return;
    requests +=
        peer.read_head().starts_with("GET");  // and no word, like a server that gave up idle ones
  });
  Client client = tunnel("up.test", 8443);
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  CHECK(up.connections() == 2);
  CHECK(requests == 3);
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: a request that may have had an effect is sent once") {
  std::atomic<int> posts{0};
  const ScriptedOrigin up(trusted.get(), 8443, [&](Peer& peer, int) {
    peer.read_head();
    peer.write(ok);
    if (peer.read_head().starts_with("POST")) ++posts;
  });
  Client client = tunnel("up.test", 8443);
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  CHECK(client.ask("POST / HTTP/1.1\r\nHost: up.test:8443\r\nContent-Length: 1\r\n\r\nx")
            .starts_with("HTTP/1.1 502 "));
  CHECK(posts == 1);
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "timing: one direction of an opaque tunnel may end before the other") {
  const ScriptedOrigin raw(nullptr, 9000, [](Peer& peer, int) {
    peer.write("hello ");
    peer.write("got " + peer.read_to_end());
  });
  Client client = dial_proxy();
  REQUIRE(client.open_tunnel("raw.test:9000") == 200);
  client.write("these");
  client.finish();
  CHECK(client.read_to_end() == "hello got these");
}

TEST_CASE("timing: half a head is answered with 408, an idle connection is closed") {
  ProxyFixture fixture(with_limits(
      {.head_timeout = std::chrono::seconds(1), .idle_timeout = std::chrono::seconds(1)}));
  Client half = fixture.dial_proxy(), idle = fixture.dial_proxy();
  half.write("CONNECT up.test:443 HTTP/1.1\r\nHost: ");
  CHECK(half.read_to_end().starts_with("HTTP/1.1 408 "));
  CHECK(idle.read_to_end().empty());
}

TEST_CASE("timing: an upstream that owes an answer is waited for as long as the limit says") {
  ProxyFixture fixture(with_limits({.upstream_timeout = std::chrono::seconds(1)}));
  const ScriptedOrigin up(fixture.trusted.get(), 8443, [](Peer& peer, int) { peer.read_to_end(); });
  Client client = fixture.tunnel("up.test", 8443);
  CHECK(client.ask(get).starts_with("HTTP/1.1 504 "));
}

TEST_CASE("timing: connections above the limit are turned away, the others served") {
  ProxyFixture fixture(with_limits({.max_connections = 3}));
  Client client = fixture.tunnel("up.test");
  const std::string request = "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n";
  CHECK(client.ask(request).starts_with("HTTP/1.1 200 "));
  std::vector<Client> held;
  for (int i = 0; i < 2; ++i) held.push_back(fixture.dial_proxy());
  REQUIRE(comes_to(*fixture.proxy, 3));
  Client above = fixture.dial_proxy();
  CHECK(above.read_to_end().starts_with("HTTP/1.1 503 "));
  CHECK(client.ask(request).starts_with("HTTP/1.1 200 "));
  held.clear();
  REQUIRE(comes_to(*fixture.proxy, 1));
  CHECK(fixture.connect_status("up.test:443") == 200);
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "timing: a body with a trailing checksum is stored only if it agrees") {
  const std::string body = "hello, trailer", right = checksum_of(body);
  const auto put = [&](const std::string& checksum) {
    const std::string framed =
        "e\r\n" + body + "\r\n0\r\nx-amz-checksum-sha256:" + checksum + "\r\n\r\n";
    std::string request = signed_put(framed.size(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    request.insert(request.find("\r\nx-amz-date"),
                   "\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: " +
                       std::to_string(body.size()) + "\r\nx-amz-trailer: x-amz-checksum-sha256");
    return request + framed;
  };
  Client good = tunnel("s3.test"), bad = tunnel("s3.test");
  CHECK(good.ask(put(right)).starts_with("HTTP/1.1 200 "));
  CHECK(origin.whole_bodies() == 1);
  const std::string refusal = bad.ask(put(checksum_of("other")));
  CHECK(refusal.starts_with("HTTP/1.1 400 "));
  CHECK(refusal.find("<Code>BadDigest</Code>") != std::string::npos);
  CHECK(origin.whole_bodies() == 1);
}

TEST_CASE("timing: an upload that goes on is not cut, however long it takes") {
  ProxyLimits limits;
  limits.upstream_timeout = limits.idle_timeout = std::chrono::seconds(1);
  ProxyFixture fixture(with_limits(limits));
  constexpr int pieces = 6;
  const ScriptedOrigin up(fixture.trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.read_until("end");
    peer.write(ok);
  });
  Client client = fixture.tunnel("up.test", 8443);
  const std::string piece(20'000, 'x');
  client.write("PUT / HTTP/1.1\r\nHost: up.test:8443\r\nContent-Length: " +
               std::to_string(pieces * piece.size() + 3) + "\r\n\r\n");
  for (int i = 0; i < pieces; ++i) {
    client.write(piece);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  }
  client.write("end");
  CHECK(client.read_until("ok").starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "timing: a drained proxy ends what is under way and nothing else") {
  const ScriptedOrigin up(trusted.get(), 8443, [](Peer& peer, int) {
    peer.read_head();
    peer.read_until("end");
    peer.write(ok);
  });
  Client idle = tunnel("up.test", 443);
  CHECK(idle.ask("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  Client busy = tunnel("up.test", 8443);
  busy.write("PUT / HTTP/1.1\r\nHost: up.test:8443\r\nContent-Length: 100003\r\n\r\n");
  busy.write(std::string(100'000, 'x'));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  proxy->drain();
  CHECK(comes_to(*proxy, 1));  // the idle one has gone
  CHECK_FALSE(accepts());      // who comes now is told at once, and can go elsewhere
  busy.write("end");
  const std::string answer = busy.read_until("ok");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(comes_to(*proxy, 0));
}

}  // namespace keyward::netproxy
