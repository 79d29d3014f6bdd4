#include "netproxy/sigv4/event_stream.hpp"

#include <cstdint>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/sigv4/checksum.hpp"
#include "netproxy/sigv4/claim.hpp"
#include "netproxy/sigv4/derived_keys.hpp"

namespace keyward::netproxy {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t prelude_size = 12;  // both lengths and their checksum
constexpr std::size_t checksum_size = 4;
constexpr std::string_view date_name = "\x05:date\x08"sv;                        // a timestamp
constexpr std::string_view signature_name = "\x10:chunk-signature\x06\0\x20"sv;  // 32 bytes
constexpr std::size_t date_size = date_name.size() + 8;
constexpr std::size_t headers_size = date_size + signature_name.size() + 32;
constexpr std::size_t frame_size = prelude_size + headers_size + checksum_size;

// Big-endian.
std::string number(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = size; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}
std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::string checksum(std::string_view bytes) {
  Crc32 crc;
  crc.update(bytes);
  return number(crc.value(), checksum_size);
}

tl::unexpected<S3Error> broken(std::string_view what) {
  return s3_fail(S3Code::incomplete_body, "event stream: " + std::string(what));
}

// The parts of a message whose frame is right.
struct Frame {
  std::string_view date_header, signature, payload;
};

S3Result<Frame> read_frame(std::string_view message) {
  TRY_ASSIGN(const std::size_t length, event_length(message.substr(0, prelude_size)));
  if (length != message.size()) return broken("the message is not as long as it says");
  const std::size_t end = length - checksum_size;
  if (checksum(message.substr(0, end)) != message.substr(end))
    return broken("the message does not agree with its checksum");
  const std::string_view headers = message.substr(prelude_size, headers_size);
  if (number_of(message.substr(4, 4)) != headers_size || !headers.starts_with(date_name) ||
      !headers.substr(date_size).starts_with(signature_name))
    return broken("the headers must be :date and :chunk-signature");
  return Frame{headers.substr(0, date_size), headers.substr(date_size + signature_name.size()),
               message.substr(prelude_size + headers_size, end - prelude_size - headers_size)};
}

}  // namespace

S3Result<std::size_t> event_length(std::string_view prelude) {
  if (prelude.size() < prelude_size) return broken("the message is cut");
  if (checksum(prelude.substr(0, 8)) != prelude.substr(8, checksum_size))
    return broken("the prelude does not agree with its checksum");
  const std::uint64_t length = number_of(prelude.substr(0, 4));
  if (length < frame_size || length > longest_event)
    return broken("the message is shorter or longer than a signed one may be");
  return length;
}

EventChain::EventChain(SigningScope scope, std::string seed, EventKeys keys)
    : scope_(std::move(scope)), previous_(std::move(seed)), keys_(std::move(keys)) {}

Result<std::string> EventChain::signature_of(std::string_view date_header, std::string_view payload,
                                             TimePoint at) {
  const std::string date = amz_date(at);
  if (!key_ || !date.starts_with(scope_.date)) {
    scope_.date = date.substr(0, 8);
    TRY_ASSIGN(key_, keys_(scope_));
  }
  const std::string text = "AWS4-HMAC-SHA256-PAYLOAD\n" + date + "\n" + scope_.text() + "\n" +
                           previous_ + "\n" + hex(sha256(date_header)) + "\n" +
                           hex(sha256(payload));
  return signature(*key_, text);
}

Result<std::string> EventChain::sign(std::string_view payload, TimePoint now) {
  if (payload.size() > longest_event - frame_size)
    return fail(Code::invalid, "event stream: a message has at most 16 MiB");
  const TimePoint at = std::chrono::floor<std::chrono::seconds>(now);
  const auto millis = static_cast<std::uint64_t>(at.time_since_epoch().count());
  const std::string date_header = std::string(date_name) + number(millis, 8);
  TRY_ASSIGN(previous_, signature_of(date_header, payload, at));
  TRY_ASSIGN(const std::string raw, unhex(previous_));
  std::string message = number(frame_size + payload.size(), 4) + number(headers_size, 4);
  message += checksum(message);
  message.append(date_header).append(signature_name).append(raw).append(payload);
  return message += checksum(message);
}

S3Result<std::string_view> EventChain::open(std::string_view message, TimePoint now) {
  TRY_ASSIGN(const Frame frame, read_frame(message));
  const std::uint64_t millis = number_of(frame.date_header.substr(date_name.size()));
  const auto skew = std::chrono::milliseconds(skew_window).count();
  const auto around = static_cast<std::uint64_t>(now.time_since_epoch().count());
  if (millis + static_cast<std::uint64_t>(skew) < around ||
      millis > around + static_cast<std::uint64_t>(skew))
    return s3_fail(S3Code::request_time_too_skewed, "event stream: the message's :date is off");
  const TimePoint at{std::chrono::milliseconds(static_cast<std::int64_t>(millis))};
  const auto expected = signature_of(frame.date_header, frame.payload, at);
  if (!expected) return s3_fail(S3Code::service_unavailable, expected.error().what);
  if (!equal_in_constant_time(*expected, hex(as_bytes(frame.signature))))
    return s3_fail(S3Code::signature_does_not_match);
  previous_ = *expected;
  return frame.payload;
}

}  // namespace keyward::netproxy
