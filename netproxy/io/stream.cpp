#include "netproxy/io/stream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/secret.hpp"
#include "netproxy/io/buffer.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t record_size = std::size_t{16} * 1024;

// A head may carry a token.
class WipedAtEnd {
 public:
  explicit WipedAtEnd(std::span<char> text) : text_(text) {}
  WipedAtEnd(const WipedAtEnd&) = delete;
  WipedAtEnd& operator=(const WipedAtEnd&) = delete;
  ~WipedAtEnd() { wipe(text_.data(), text_.size()); }

 private:
  std::span<char> text_;
};

}  // namespace

Stream::Stream(Loop& loop, UniqueFd socket)
    : loop_(loop),
      socket_(std::move(socket)),
      readiness_(loop, socket_.get()),
      transport_(socket_.get()),
      entry_(loop.streams_.insert(loop.streams_.end(), this)),
      cancelled_(!readiness_.is_watched()) {}

Stream::~Stream() { loop_.streams_.erase(entry_); }

Result<> Stream::state() const {
  if (expired_) return fail(Code::timeout, "timed out");
  if (cancelled_) return fail(Code::unavailable, "cancelled");
  if (readiness_.is_urgent()) return fail(Code::io, "the peer sent urgent data");
  return {};
}

Task<Result<>> Stream::wait(Io direction) {
  Result<> usable = state();
  if (!usable) co_return usable;
  const bool reads = direction == Io::want_read;
  ++waiting_;
  const bool reported =
      co_await readiness_.wait(reads ? Readiness::Side::reading : Readiness::Side::writing);
  --waiting_;
  if (reads && reported) transport_.set_readable();
  if (std::exchange(interrupted_, false)) co_return fail(Code::unavailable, "interrupted");
  co_return state();
}

Task<Result<bool>> Stream::wait_readable(std::chrono::milliseconds at_most) {
  soft_expired_ = false;
  soft_deadline_ = loop_.now() + at_most;
  const Result<> waited = co_await wait(Io::want_read);
  soft_deadline_ = SteadyTime::max();
  if (!waited) co_return tl::unexpected(waited.error());
  co_return !soft_expired_;
}

Task<Result<>> Stream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t count = 0;
    const Io done = transport_.write(bytes, count);
    bytes.remove_prefix(count);
    if (count > 0) progressed();
    if (done == Io::ok) continue;
    if (done != Io::want_read && done != Io::want_write)
      co_return fail(Code::io, transport_.error());
    const Result<> waited = co_await wait(done);
    if (!waited) co_return waited;
  }
  for (;;) {
    const Io flushed = transport_.flush();
    if (flushed == Io::ok) co_return Result<>{};
    if (flushed != Io::want_write) co_return fail(Code::io, transport_.error());
    const Result<> waited = co_await wait(flushed);
    if (!waited) co_return waited;
  }
}

Task<Result<>> Stream::write(std::string_view head, std::string_view body) {
  if (body.empty()) co_return co_await write(head);
  const std::size_t room = head.size() < record_size ? record_size - head.size() : 0;
  const std::size_t joined = std::min(room, body.size());
  Buffer both;  // taken from a list: to allocate a kilobyte costs more than to copy it
  std::string_view first = head;
  if (joined > 0) {
    both.take();
    std::copy_n(body.begin(), joined, std::copy(head.begin(), head.end(), both.data()));
    first = {both.data(), head.size() + joined};
  }
  const WipedAtEnd copy(both ? std::span(both.data(), head.size()) : std::span<char>());
  const Result<> sent = co_await write(first);
  if (!sent || joined == body.size()) co_return sent;
  co_return co_await write(body.substr(joined));
}

Task<Result<>> Stream::handshake(SslPtr ssl) {
  transport_.start_tls(std::move(ssl));
  for (;;) {
    const Io done = transport_.handshake();
    if (done == Io::ok) co_return Result<>{};
    if (done != Io::want_read && done != Io::want_write)
      co_return fail(Code::io,
                     done == Io::end ? "closed during the handshake" : transport_.error());
    const Result<> waited = co_await wait(done);
    if (!waited) co_return waited;
  }
}

Task<Result<>> Stream::finish() {
  for (;;) {
    const Io done = transport_.finish();
    if (done == Io::ok) co_return Result<>{};
    if (done != Io::want_write) co_return fail(Code::io, transport_.error());
    const Result<> waited = co_await wait(done);
    if (!waited) co_return waited;
  }
}

void Stream::cancel() {
  cancelled_ = true;
  readiness_.cancel();
}

void Stream::interrupt() {
  if (waiting_ == 0) return;
  interrupted_ = true;
  readiness_.cancel();
}

void Stream::break_off() {
  const linger at_once{1, 0};
  ::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool Stream::hung_up() {
  // A plain client may close its sending side and still wait for the answer; a TLS client that does
  // so is gone.
  pollfd entry{socket(), static_cast<short>(transport_.secure() ? POLLRDHUP : 0), 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Stream::check(SteadyTime now) {
  if (now >= deadline_ && !expired_) {
    expired_ = true;
    readiness_.cancel();
  }
  if (now >= soft_deadline_) {
    soft_deadline_ = SteadyTime::max();
    soft_expired_ = true;
    readiness_.cancel();
  }
  if (bound_ != nullptr && hung_up()) {
    bound_->cancel();
    bound_ = nullptr;
  }
}

}  // namespace keyward::netproxy
