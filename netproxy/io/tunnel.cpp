#include "netproxy/io/tunnel.hpp"

#include "netproxy/io/inbox.hpp"

namespace keyward::netproxy {
namespace {

struct Direction {
  Stream& from;
  Stream& to;
  std::chrono::seconds idle;
  std::uint64_t& bytes;
};

Task<> relay_direction(Direction way) {
  Inbox inbox;
  for (;;) {
    const Result<std::size_t> got = co_await inbox.fill(way.from);
    if (!got) break;
    if (*got == 0) {
      const Result<> finished = co_await way.to.finish();
      if (!finished) break;
      co_return;
    }
    way.from.expire_in(way.idle);
    way.to.expire_in(way.idle);
    const Result<> sent = co_await way.to.write(inbox.view());
    if (!sent) break;
    way.bytes += inbox.view().size();
    inbox.clear();
  }
  way.from.cancel();
  way.to.cancel();
}

// What it has thrown, or null; both ends are of no use then.
Task<std::exception_ptr> relay_or_fail(Direction way) {
  try {
    co_await relay_direction(way);
  } catch (...) {
    way.from.cancel();
    way.to.cancel();
    co_return std::current_exception();
  }
  co_return nullptr;
}

Task<> relay_and_tell(Direction way, Event& done) {
  (void)co_await relay_or_fail(way);
  done.set();
}

}  // namespace

Task<TunnelBytes> relay_tunnel(Stream& client, Stream& upstream, std::chrono::seconds idle) {
  TunnelBytes bytes;
  client.expire_in(idle);
  upstream.expire_in(idle);
  const Direction up{client, upstream, idle, bytes.up};
  const Direction down{upstream, client, idle, bytes.down};
  Event up_done(client.loop());
  client.loop().spawn(relay_and_tell(up, up_done));
  const std::exception_ptr failure = co_await relay_or_fail(down);
  co_await up_done.wait();
  if (failure) std::rethrow_exception(failure);
  co_return bytes;
}

}  // namespace keyward::netproxy
