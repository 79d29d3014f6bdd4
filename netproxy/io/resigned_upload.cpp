#include "netproxy/io/resigned_upload.hpp"

#include <array>
#include <charconv>

namespace keyward::netproxy {
namespace {

std::string hex_number(std::size_t number) {
  std::array<char, 16> digits;
  const auto [end, bad] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return {digits.data(), end};
}

}  // namespace

ResignedUpload::ResignedUpload(const Way& way, const AwsChunkedBody& body,
                               ChunkResigner::Sides sides)
    : client_(way.client),
      inbox_(way.inbox),
      framing_(way.head.framing, way.head.content_length),
      resource_(way.resource),
      chunked_(!sides.content_length),
      resigner_(body, std::move(sides)) {}

// Nothing is known to be good before it is read, and nothing is read before it is wanted.
Task<Answer<>> ResignedUpload::gather() { co_return Answer<>{}; }

tl::unexpected<Problem> ResignedUpload::refused(const S3Error& error) const {
  return tl::unexpected(refused_by_s3(error, resource_));
}

Task<Answer<>> ResignedUpload::send(Stream& upstream) {
  for (;;) {
    Answer<> passed = co_await pass_on(upstream);
    if (!passed) co_return passed;
    if (framing_.done()) break;
    const Result<std::size_t> got = co_await inbox_.fill(client_);
    if (!got) co_return tl::unexpected(broken_body(got.error()));
    if (*got == 0) co_return refused({S3Code::incomplete_body, "the body ended early", {}});
  }
  co_return co_await send_end(upstream);
}

// What has arrived.
Task<Answer<>> ResignedUpload::pass_on(Stream& upstream) {
  stretches_.parts.clear();
  const auto taken = framing_.take(inbox_.view(), &stretches_);
  if (!taken) co_return refused({S3Code::incomplete_body, taken.error().what, {}});
  for (const std::string_view part : stretches_.parts) {
    Answer<> fed = co_await feed(upstream, part);
    if (!fed) co_return fed;
  }
  inbox_.consume(*taken);
  co_return Answer<>{};
}

Task<Answer<>> ResignedUpload::feed(Stream& upstream, std::string_view content) {
  while (!content.empty()) {
    // The end waits for the end of the client's own framing, too.
    if (resigner_.done())
      co_return refused({S3Code::incomplete_body, "aws-chunked body: bytes follow its end", {}});
    const auto taken = resigner_.take(content);
    if (!taken) co_return refused(taken.error());
    content.remove_prefix(*taken);
    if (resigner_.done()) continue;
    Answer<> sent = co_await send_ready(upstream);
    if (!sent) co_return sent;
  }
  co_return Answer<>{};
}

Task<Answer<>> ResignedUpload::send_ready(Stream& upstream) {
  const std::string_view ready = resigner_.ready();
  if (ready.empty()) co_return Answer<>{};
  std::string frame = begun_ && chunked_ ? "\r\n" : "";
  if (chunked_) frame += hex_number(ready.size()) + "\r\n";
  begun_ = true;
  Answer<> sent = co_await write(upstream, std::move(frame), ready);
  resigner_.sent();
  co_return sent;
}

Task<Answer<>> ResignedUpload::send_end(Stream& upstream) {
  const auto verdict = resigner_.finish();
  if (!verdict) co_return refused(verdict.error());
  Answer<> sent = co_await send_ready(upstream);
  if (sent && chunked_) sent = co_await write(upstream, "\r\n0\r\n\r\n", {});
  complete_ = sent.has_value();
  co_return sent;
}

Task<Answer<>> ResignedUpload::write(Stream& upstream, std::string frame, std::string_view bytes) {
  const std::size_t size = frame.size() + bytes.size();
  const Result<> sent = co_await upstream.write(frame, bytes);
  if (!sent) co_return tl::unexpected(broken_upstream(sent.error()));
  sent_ += size;
  co_return Answer<>{};
}

}  // namespace keyward::netproxy
