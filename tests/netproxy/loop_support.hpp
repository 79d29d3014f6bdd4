#pragma once
// A loop and two ends of a connection for tests of what waits.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <string_view>

#include "base/unique_fd.hpp"
#include "netproxy/io/loop.hpp"

namespace keyward::netproxy {

struct OpenLoop : Loop {
  OpenLoop() { REQUIRE(open()); }
};

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    ours.reset(ends[0]);
    peers.reset(ends[1]);
  }
  void say(std::string_view text) const {
    REQUIRE(::send(peers.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  UniqueFd ours, peers;
};

// Until the task has ended.
inline void run(Loop& loop, Task<> task) {
  struct Then {
    static Task<> stop(Loop& loop, Task<> first) {
      co_await std::move(first);
      loop.stop();
    }
  };
  loop.spawn(Then::stop(loop, std::move(task)));
  loop.run();
}

}  // namespace keyward::netproxy
