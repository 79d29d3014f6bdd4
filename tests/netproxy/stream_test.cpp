#include <netinet/in.h>

#include "netproxy/io/inbox.hpp"
#include "netproxy/io/stream.hpp"
#include "tests/netproxy/loop_support.hpp"

namespace keyward::netproxy {
namespace {

Task<> read_until(Stream& stream, Inbox& inbox, Result<std::size_t>& got) {
  got = co_await inbox.fill(stream);
}

TEST_CASE("stream: a stream whose time is over says so") {
  OpenLoop loop;
  Pair pair;
  Stream stream(loop, std::move(pair.ours));
  Inbox inbox;
  stream.expire_in(std::chrono::milliseconds(1));
  Result<std::size_t> got = std::size_t{0};
  run(loop, read_until(stream, inbox, got));
  REQUIRE_FALSE(got);
  CHECK(got.error().code == Code::timeout);
}

Task<> say_later(Loop& loop, Pair& pair) {
  Event turn(loop, std::chrono::steady_clock::now());
  co_await turn.wait();
  pair.say("one");
}
Task<> look_twice(Stream& stream, Pair& pair, std::vector<bool>& quiet) {
  Inbox inbox;
  const Result<std::size_t> got = co_await inbox.fill(stream);
  CHECK(got == std::size_t{3});
  quiet.push_back(stream.is_quiet());
  pair.say("two");
  Event turn(stream.loop(), std::chrono::steady_clock::now());
  co_await turn.wait();
  quiet.push_back(stream.is_quiet());
}
// A connection over loopback, as no other kind of socket has urgent data.
Pair tcp_pair() {
  Pair pair;
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  pair.peers.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(pair.peers.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  pair.ours.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  return pair;
}
Task<> read_twice(Stream& stream, Result<std::size_t>& got) {
  Inbox inbox;
  got = co_await inbox.fill(stream);
  if (got) got = co_await inbox.fill(stream);
}
TEST_CASE("stream: urgent data, behind which bytes could hide, ends a stream") {
  OpenLoop loop;
  Pair pair = tcp_pair();
  pair.say("first");
  REQUIRE(::send(pair.peers.get(), "!", 1, MSG_OOB) == 1);
  pair.say("second");
  Stream stream(loop, std::move(pair.ours));
  Result<std::size_t> got = std::size_t{0};
  run(loop, read_twice(stream, got));
  REQUIRE_FALSE(got);
  CHECK(got.error().what.find("urgent") != std::string::npos);
  CHECK_FALSE(stream.is_quiet());
}

Task<> read_all(Stream& stream, std::size_t total, std::size_t& bytes) {
  Inbox inbox;
  while (bytes < total) {
    const Result<std::size_t> got = co_await inbox.fill(stream);
    REQUIRE(got);
    bytes += *got;
    inbox.clear();
  }
}
Task<> look_at_next_turn(Loop& loop, const std::size_t& bytes, std::size_t& seen) {
  co_await loop.next_turn();
  seen = bytes;
}
TEST_CASE("stream: who always finds something to read lets the others have their turn") {
  OpenLoop loop;
  Pair pair = tcp_pair();
  const std::string piece(65536, 'x');
  std::size_t total = 0;
  for (ssize_t sent = 0; sent >= 0;) {
    sent = ::send(pair.peers.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (sent > 0) total += static_cast<std::size_t>(sent);
  }
  Stream stream(loop, std::move(pair.ours));
  std::size_t bytes = 0, seen = 0;
  loop.spawn(look_at_next_turn(loop, bytes, seen));
  run(loop, read_all(stream, total, bytes));
  CHECK(bytes == total);
  CHECK(seen <= std::size_t{2} * 16 * piece.size());  // two turns' worth
  CHECK(seen < total);
}

TEST_CASE("stream: a stream is quiet until something comes in") {
  OpenLoop loop;
  Pair pair;
  Stream stream(loop, std::move(pair.ours));
  std::vector<bool> quiet;
  loop.spawn(say_later(loop, pair));
  run(loop, look_twice(stream, pair, quiet));
  CHECK(quiet == std::vector<bool>{true, false});
}

}  // namespace
}  // namespace keyward::netproxy
