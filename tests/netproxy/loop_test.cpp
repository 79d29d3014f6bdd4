#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <thread>

#include "tests/netproxy/loop_support.hpp"

namespace keyward::netproxy {
namespace {

using Side = Readiness::Side;

std::string take_all(int socket) {
  std::array<char, 256> bytes;
  const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), 0);
  return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
}

// Says that it has been destroyed.
struct Mark {
  explicit Mark(bool& destroyed) : gone(destroyed) {}
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() { gone = true; }
  bool& gone;
};

Task<int> twice(int number) { co_return 2 * number; }

Task<> never(Event& event, bool& destroyed) {
  const Mark mark(destroyed);
  co_await event.wait();
}

Task<> add_up(int count, long& sum) {
  for (int i = 0; i < count; ++i) sum += co_await twice(1);
}
TEST_CASE("task: tasks that never wait need no stack, however many there are") {
  OpenLoop loop;
  long sum = 0;
  run(loop, add_up(1'000'000, sum));
  CHECK(sum == 2'000'000);
}

Task<int> fails(Event& event) {
  co_await event.wait();
  throw std::runtime_error("as asked");
}
Task<> expect_failure(Event& event, std::string& what) {
  try {
    (void)co_await fails(event);
  } catch (const std::exception& failure) {
    what = failure.what();
  }
}
TEST_CASE("task: what a task throws is thrown where it is awaited") {
  OpenLoop loop;
  Event event(loop);
  std::string what;
  loop.post([&event] { event.set(); });
  run(loop, expect_failure(event, what));
  CHECK(what == "as asked");
}

Task<> fail_alone(Event& event) { (void)co_await fails(event); }
TEST_CASE("task: what nobody awaits may fail, and the loop goes on") {
  OpenLoop loop;
  Event event(loop), later(loop);
  long sum = 0;
  event.set();
  loop.spawn(fail_alone(event));
  run(loop, add_up(3, sum));
  CHECK(sum == 6);
}

TEST_CASE("loop: what still waits when the loop ends is destroyed with it") {
  bool first = false, second = false;
  {
    OpenLoop loop;
    Event event(loop);
    loop.spawn(never(event, first));
    loop.spawn(never(event, second));
    loop.stop();
    const auto begun = std::chrono::steady_clock::now();
    loop.run();
    CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::seconds(1));
    CHECK_FALSE(first);
  }
  CHECK(first);
  CHECK(second);
}

TEST_CASE("loop: a loop that never ran destroys what was to begin") {
  bool destroyed = false;
  {
    OpenLoop loop;
    Event event(loop);
    loop.spawn(never(event, destroyed));
  }
  CHECK_FALSE(destroyed);  // it has not begun: there is no mark yet
}

Task<> note_thread(Event& event, std::thread::id& thread) {
  co_await event.wait();
  thread = std::this_thread::get_id();
}
TEST_CASE("loop: what another thread posts is done by the loop's own") {
  OpenLoop loop;
  Event event(loop);
  std::thread::id thread;
  std::jthread other([&] { loop.post([&event] { event.set(); }); });
  run(loop, note_thread(event, thread));
  CHECK(thread == std::this_thread::get_id());
}

Task<> wait_for(Event& event) { co_await event.wait(); }
TEST_CASE("loop: an event that nobody sets ends by its time") {
  OpenLoop loop;
  const auto begun = std::chrono::steady_clock::now();
  Event event(loop, begun + std::chrono::milliseconds(300));
  run(loop, wait_for(event));
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(300));
}

struct Seen {
  std::string text;
  int waits = 0;
  bool cancelled = false;
};
Task<> read_to_end(Readiness& readiness, int socket, Seen& seen) {
  for (;;) {
    const bool reported = co_await readiness.wait(Side::reading);
    ++seen.waits;
    seen.cancelled = !reported;
    if (!reported) co_return;
    const std::string got = take_all(socket);
    seen.text += got;
    if (got.empty()) co_return;
  }
}

TEST_CASE("readiness: bytes and the end that came together: the end is no edge of its own") {
  OpenLoop loop;
  Pair pair;
  Readiness readiness(loop, pair.ours.get());
  pair.say("last words");
  pair.peers.reset();
  Seen seen;
  run(loop, read_to_end(readiness, pair.ours.get(), seen));
  CHECK(seen.text == "last words");
  CHECK_FALSE(seen.cancelled);
}

Task<> say_while_nobody_waits(Loop& loop, Pair& pair, Seen& seen) {
  Readiness readiness(loop, pair.ours.get());
  pair.say("early");
  Event turn(loop, std::chrono::steady_clock::now());
  co_await turn.wait();
  CHECK(readiness.has_report());
  const bool reported = co_await readiness.wait(Side::reading);
  CHECK(reported);
  CHECK_FALSE(readiness.has_report());
  seen.text = take_all(pair.ours.get());
}
TEST_CASE("readiness: what is reported while nobody waits is kept for the next who does") {
  OpenLoop loop;
  Pair pair;
  Seen seen;
  run(loop, say_while_nobody_waits(loop, pair, seen));
  CHECK(seen.text == "early");
}

Task<> cancel_later(Loop& loop, Readiness& readiness) {
  Event turn(loop, std::chrono::steady_clock::now());
  co_await turn.wait();
  readiness.cancel();
}
TEST_CASE("readiness: who waits is told that it was cancelled") {
  OpenLoop loop;
  Pair pair;
  Readiness readiness(loop, pair.ours.get());
  Seen seen;
  loop.spawn(cancel_later(loop, readiness));
  run(loop, read_to_end(readiness, pair.ours.get(), seen));
  CHECK(seen.cancelled);
  CHECK(seen.waits == 1);
}

Task<> end_later(Loop& loop, std::optional<Readiness>& readiness) {
  Event turn(loop, std::chrono::steady_clock::now());
  co_await turn.wait();
  readiness.reset();
}
TEST_CASE("readiness: a readiness may end before who waits for it") {
  OpenLoop loop;
  Pair pair;
  std::optional<Readiness> readiness;
  readiness.emplace(loop, pair.ours.get());
  Seen seen;
  loop.spawn(end_later(loop, readiness));
  run(loop, read_to_end(*readiness, pair.ours.get(), seen));
  CHECK(seen.cancelled);
}

TEST_CASE("readiness: two who wait for the same are both woken, and one may end before") {
  OpenLoop loop;
  Pair pair;
  Readiness readiness(loop, pair.ours.get());
  Seen first, second;
  {
    Seen gone;
    Task<> waiting = read_to_end(readiness, pair.ours.get(), gone);
    loop.spawn(read_to_end(readiness, pair.ours.get(), first));
    loop.spawn(cancel_later(loop, readiness));
    waiting.handle().resume();
  }
  run(loop, read_to_end(readiness, pair.ours.get(), second));
  CHECK(first.cancelled);
  CHECK(second.cancelled);
}

TEST_CASE("readiness: who waits may end before the readiness, and nobody is resumed") {
  Pair pair;
  OpenLoop loop;
  std::optional<Readiness> readiness;
  readiness.emplace(loop, pair.ours.get());
  Seen seen;
  {
    Task<> waiting = read_to_end(*readiness, pair.ours.get(), seen);
    waiting.handle().resume();
  }
  pair.say("to nobody");
  loop.stop();
  loop.run();
  CHECK(seen.waits == 0);
  CHECK(readiness->has_report());
}

Task<> fill_twice(Readiness& readiness, int socket, int& filled) {
  const std::string bytes(65536, 'x');
  while (filled < 2) {
    if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) continue;
    ++filled;
    (void)co_await readiness.wait(Side::writing);
  }
}
Task<> read_slowly(Loop& loop, Pair& pair) {
  std::array<char, 65536> bytes;
  for (int i = 0; i < 100; ++i) {
    Event turn(loop, std::chrono::steady_clock::now());
    co_await turn.wait();
    while (::recv(pair.peers.get(), bytes.data(), bytes.size(), 0) > 0) {
    }
    if (loop.stopping()) co_return;
  }
}
TEST_CASE("readiness: room to write is reported once there is some") {
  OpenLoop loop;
  Pair pair;
  Readiness readiness(loop, pair.ours.get());
  int filled = 0;
  loop.spawn(read_slowly(loop, pair));
  run(loop, fill_twice(readiness, pair.ours.get(), filled));
  CHECK(filled == 2);
}

}  // namespace
}  // namespace keyward::netproxy
