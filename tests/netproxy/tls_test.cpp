#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/tls/authority.hpp"
#include "netproxy/tls/transport.hpp"
#include "netproxy/tls/upstream.hpp"

namespace keyward::netproxy {
namespace {

struct Pair {
  UniqueFd a, b;
};
Pair make_pair() {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

struct Handshake {
  Io client, server;
};
// Both sides in turn until each is done or broken.
Handshake shake(Transport& client, Transport& server) {
  Handshake state{Io::want_read, Io::want_read};
  for (int turn = 0; turn < 20; ++turn) {
    client.set_readable();
    server.set_readable();
    if (state.client != Io::ok && state.client != Io::failed) state.client = client.handshake();
    if (state.server != Io::ok && state.server != Io::failed) state.server = server.handshake();
  }
  return state;
}

struct Fixture {
  SystemClock clock;
  std::unique_ptr<CertificateAuthority> authority = CertificateAuthority::create(clock).value();
  std::unique_ptr<UpstreamTls> upstream = UpstreamTls::create(authority->certificate_pem()).value();
};

std::string read_some(Transport& transport) {
  std::array<char, 4096> buffer{};
  std::size_t count = 0;
  transport.set_readable();
  return transport.read(buffer, count) == Io::ok ? std::string(buffer.data(), count) : "";
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "tls: a minted leaf is accepted for its host and for no other") {
  struct Case {
    const char *leaf, *asked;
    bool accepted;
  };
  for (const Case& c :
       {Case{"s3.example.com", "s3.example.com", true}, Case{"10.1.2.3", "10.1.2.3", true},
        Case{"s3.example.com", "other.example.com", false}, Case{"10.1.2.3", "10.1.2.4", false}}) {
    CAPTURE(c.asked);
    const Pair pair = make_pair();
    Transport client(pair.a.get()), server(pair.b.get());
    client.start_tls(upstream->new_session(c.asked, c.asked).value());
    server.start_tls(authority->new_session(c.leaf).value());
    const Handshake state = shake(client, server);
    CHECK((state.client == Io::ok) == c.accepted);
    CHECK((state.server == Io::ok) == c.accepted);
  }
}

TEST_CASE_FIXTURE(Fixture, "tls: a certificate of another authority is refused") {
  const auto foreign = CertificateAuthority::create(clock).value();
  const Pair pair = make_pair();
  Transport client(pair.a.get()), server(pair.b.get());
  client.start_tls(upstream->new_session("a.test", "a").value());
  server.start_tls(foreign->new_session("a.test").value());
  CHECK(shake(client, server).client == Io::failed);
  CHECK_FALSE(certificate_error(client.ssl()).empty());
}

TEST_CASE_FIXTURE(Fixture, "tls: sessions resume for the same host only") {
  const auto connect = [this](const char* host, const char* key) {
    const Pair pair = make_pair();
    Transport client(pair.a.get()), server(pair.b.get());
    client.start_tls(upstream->new_session(host, key).value());
    server.start_tls(authority->new_session(host).value());
    REQUIRE(shake(client, server).client == Io::ok);
    std::size_t count = 0;
    REQUIRE(server.write("hello", count) == Io::ok);
    REQUIRE(server.flush() == Io::ok);
    CHECK(read_some(client) == "hello");
    return SSL_session_reused(client.ssl()) == 1;
  };
  CHECK_FALSE(connect("a.test", "a"));
  CHECK(connect("a.test", "a"));
  CHECK(connect("a.test", "a"));
  // A ticket of another intercepted host is worth nothing: its session id context differs.
  CHECK_FALSE(connect("b.test", "a"));
}

TEST_CASE_FIXTURE(Fixture, "tls: an end without close_notify is a failure, with it an end") {
  for (const bool orderly : {true, false}) {
    CAPTURE(orderly);
    Pair pair = make_pair();
    Transport client(pair.a.get()), server(pair.b.get());
    client.start_tls(upstream->new_session("a.test", "a").value());
    server.start_tls(authority->new_session("a.test").value());
    REQUIRE(shake(client, server).server == Io::ok);
    if (orderly) server.finish();
    ::shutdown(pair.b.get(), SHUT_RDWR);
    std::array<char, 64> buffer{};
    std::size_t count = 0;
    Io state = Io::want_read;  // the session ticket comes first
    for (int turn = 0; turn < 3 && state == Io::want_read; ++turn) {
      client.set_readable();
      state = client.read(buffer, count);
    }
    CHECK(state == (orderly ? Io::end : Io::failed));
    CHECK(count == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "tls: an end that came with the last bytes is still to be read") {
  const Pair pair = make_pair();
  Transport client(pair.a.get()), server(pair.b.get());
  client.start_tls(upstream->new_session("a.test", "a").value());
  server.start_tls(authority->new_session("a.test").value());
  REQUIRE(shake(client, server).server == Io::ok);
  std::size_t count = 0;
  REQUIRE(server.write("last words", count) == Io::ok);
  server.finish();  // both leave in one segment
  std::array<char, 64> buffer{};
  client.set_readable();
  REQUIRE(client.read(buffer, count) == Io::ok);
  CHECK(std::string_view(buffer.data(), count) == "last words");
  // Nobody reports it: a reader that waited would wait for ever, and a pool would keep it.
  CHECK(client.may_read());
  CHECK(client.read(buffer, count) == Io::end);
}

TEST_CASE_FIXTURE(Fixture, "tls: an idle connection stays open over tickets, not over data") {
  const Pair pair = make_pair();
  Transport client(pair.a.get()), server(pair.b.get());
  client.start_tls(upstream->new_session("a.test", "a").value());
  server.start_tls(authority->new_session("a.test").value());
  REQUIRE(shake(client, server).server == Io::ok);
  CHECK(client.idle_and_open());
  std::size_t count = 0;
  REQUIRE(server.write("x", count) == Io::ok);
  REQUIRE(server.flush() == Io::ok);
  CHECK_FALSE(client.idle_and_open());
}

TEST_CASE("tls: a trust store is empty or holds certificates") {
  CHECK(UpstreamTls::create("").has_value());  // an image without a store: trusts nobody
  CHECK_FALSE(UpstreamTls::create("no certificate here\n").has_value());
  CHECK_FALSE(UpstreamTls::create("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
                  .has_value());
}

}  // namespace keyward::netproxy
