#include "netproxy/io/inbox.hpp"

#include <cstring>

namespace keyward::netproxy {
void Inbox::consume(std::size_t count) {
  begin_ += count;
  if (begin_ == end_) {
    buffer_.give_back();
    begin_ = end_ = 0;
  }
  start_ = buffer_ ? buffer_.data() + begin_ : nullptr;
}

std::pair<Buffer, std::string_view> Inbox::release() {
  const std::string_view content = view();
  begin_ = end_ = 0;
  start_ = nullptr;
  return {std::move(buffer_), content};
}

void Inbox::make_room() {
  buffer_.take();
  if (begin_ > 0 && end_ == buffer_size) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  start_ = buffer_.data() + begin_;
}

Result<std::size_t> Inbox::try_fill(Transport& transport, Io& state) {
  state = Io::want_read;
  if (!transport.may_read()) return std::size_t{0};
  make_room();
  std::size_t count = 0;
  state = transport.read({buffer_.data() + end_, buffer_size - end_}, count);
  end_ += count;
  if (empty()) clear();
  if (state == Io::failed) return fail(Code::io, transport.error());
  return count;
}

Task<Result<std::size_t>> Inbox::fill(Stream& stream) {
  for (;;) {
    Io state = Io::ok;
    const Result<std::size_t> got = try_fill(stream.transport(), state);
    if (got && *got > 0) stream.progressed();
    if (state == Io::ok && stream.has_had_its_turn()) co_await stream.loop().next_turn();
    if (!got || state == Io::ok || state == Io::end) co_return got;
    const Result<> waited = co_await stream.wait(state);
    if (!waited) co_return tl::unexpected(waited.error());
  }
}

}  // namespace keyward::netproxy
