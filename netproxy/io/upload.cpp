#include "netproxy/io/upload.hpp"

namespace keyward::netproxy {

PlainUpload::PlainUpload(Stream& client, Inbox& inbox, const RequestHead& head,
                         std::unique_ptr<BodyCheck> check)
    : client_(client),
      inbox_(inbox),
      framing_(head.framing, head.content_length),
      check_(std::move(check)),
      waits_for_continue_(head.expects_continue) {}

std::string_view PlainUpload::gathered() const { return inbox_.view().substr(0, ready_); }

void PlainUpload::forget_gathered() {
  sent_ += ready_;
  inbox_.consume(ready_);
  ready_ = 0;
}

tl::unexpected<Problem> PlainUpload::refused(const S3Error& error) const {
  if (s3_resource_) return tl::unexpected(refused_by_s3(error, *s3_resource_));
  return tl::unexpected(broken_body({Code::invalid, error.message}));
}

Answer<> PlainUpload::judge() {
  const auto taken = framing_.take(inbox_.view().substr(ready_), check_.get());
  if (!taken) return tl::unexpected(broken_body(taken.error()));
  ready_ += *taken;
  if (judged_) return {};
  if (check_) {
    const S3Result<> agreed = framing_.done() ? check_->finish() : check_->so_far();
    if (!agreed) return refused(agreed.error());
  }
  judged_ = framing_.done();
  return {};
}

Task<Answer<>> PlainUpload::receive() {
  const Result<std::size_t> got = co_await inbox_.fill(client_);
  if (!got) co_return tl::unexpected(broken_body(got.error()));
  if (*got == 0)
    co_return tl::unexpected(broken_body({Code::invalid, "the body ended before its length"}));
  co_return judge();
}

Task<Answer<>> PlainUpload::gather() {
  Answer<> state = judge();
  const bool small =
      framing_.framing() == Framing::length && framing_.remaining() + ready_ <= buffer_size;
  while (state && small && !waits_for_continue_ && !framing_.done()) {
    has_waited_ = true;
    state = co_await receive();
  }
  co_return state;
}

Task<Answer<>> PlainUpload::forward(Stream& upstream, std::string_view bytes) {
  const Result<> sent = co_await upstream.write(bytes);
  if (!sent) co_return tl::unexpected(broken_upstream(sent.error()));
  sent_ += bytes.size();
  co_return Answer<>{};
}

// What may leave now: everything without a check; with one, what was held before, once the inbox is
// full of what follows it.
Task<Answer<>> PlainUpload::send_front(Stream& upstream) {
  if (!check_) {
    Answer<> sent = co_await forward(upstream, gathered());
    inbox_.consume(ready_);
    ready_ = 0;
    co_return sent;
  }
  if (ready_ < buffer_size) co_return Answer<>{};
  Answer<> sent = co_await forward(upstream, held_bytes_);
  held_.give_back();
  ready_ = 0;
  auto [buffer, bytes] = inbox_.release();
  held_ = std::move(buffer);
  held_bytes_ = bytes;
  co_return sent;
}

Task<Answer<>> PlainUpload::send(Stream& upstream) {
  Answer<> state = judge();
  while (state && !complete()) {
    state = co_await send_front(upstream);
    if (state) state = co_await receive();
  }
  if (!state) co_return state;
  state = co_await forward(upstream, held_bytes_);
  held_bytes_ = {};
  held_.give_back();
  if (!state || ready_ == 0) co_return state;
  state = co_await forward(upstream, gathered());
  inbox_.consume(ready_);
  ready_ = 0;
  co_return state;
}

}  // namespace keyward::netproxy
