#pragma once
// Signed event streams, the body of STREAMING-AWS4-HMAC-SHA256-EVENTS (Amazon Transcribe Developer
// Guide, "Event stream encoding"; aws-c-auth source/aws_signing.c): each message wraps a payload in
// a frame with `:date` and `:chunk-signature`, which follows from the signature before it.  SigV4
// only.  Pure.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/hmac.hpp"
#include "base/result.hpp"
#include "netproxy/sigv4/s3_error.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

constexpr std::size_t longest_event = std::size_t{16} * 1024 * 1024;  // a whole message

// The derived key of a scope: asked for once, and again when the day changes.
using EventKeys = std::function<Result<std::shared_ptr<const HmacSha256>>(const SigningScope&)>;

// One direction of one stream: its messages in their order.
class EventChain {
 public:
  // `seed` is the signature of the request; `scope` that of its date.
  EventChain(SigningScope scope, std::string seed, EventKeys keys);

  // The message that carries `payload`; an empty one ends the stream.  Errors: Code::invalid, too
  // long; those of `keys`.
  Result<std::string> sign(std::string_view payload, TimePoint now);

  // The payload of a whole message, a view of it.  Errors: a frame, a header or a checksum that is
  // malformed, a signature that does not follow, a date off by more than the allowed skew; nothing
  // further may be read then.
  S3Result<std::string_view> open(std::string_view message, TimePoint now);

 private:
  Result<std::string> signature_of(std::string_view date_header, std::string_view payload,
                                   TimePoint at);

  SigningScope scope_;
  std::string previous_;
  EventKeys keys_;
  std::shared_ptr<const HmacSha256> key_;
};

// The length of the message that begins so, from its first 12 bytes.  Errors: incomplete_body, they
// are fewer, do not agree with their checksum, or say more than `longest_event`.
S3Result<std::size_t> event_length(std::string_view prelude);

}  // namespace keyward::netproxy
