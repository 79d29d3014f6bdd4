// Which payload mode a request asks for (netproxy/sigv4/signer.hpp, choose_payload).

#include <algorithm>

#include "base/bytes.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";
constexpr std::string_view unsigned_trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

bool is_hash(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<Payload> choose_without_value(const RequestHead& head) {
  if (head.framing == Framing::none) return Payload{PayloadMode::empty, std::string(empty_hash)};
  return fail(Code::unsupported,
              "the request has a body but no x-amz-content-sha256: send the body's SHA-256, "
              "UNSIGNED-PAYLOAD or "
              "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
}

Result<Payload> choose_trailer(const RequestHead& head) {
  auto body = read_aws_chunked_body(head.headers, {ChunkSigning::none, true});
  if (!body) return fail(Code::invalid, body.error().message);
  if (head.framing == Framing::none)
    return fail(Code::invalid, std::string(unsigned_trailer) + " needs a body");
  return Payload{PayloadMode::unsigned_trailer, std::string(unsigned_trailer), std::move(*body)};
}

}  // namespace

Result<Payload> choose_payload(const RequestHead& head, std::string_view service) {
  const std::size_t count = count_headers(head.headers, "x-amz-content-sha256");
  if (count == 0) return choose_without_value(head);
  if (count > 1) return fail(Code::invalid, "more than one x-amz-content-sha256");
  const std::string& value = *find_header(head.headers, "x-amz-content-sha256");
  if (value == unsigned_payload) return Payload{PayloadMode::unsigned_payload, value};
  if (value == unsigned_trailer) return choose_trailer(head);
  if (value.starts_with("STREAMING-"))
    return fail(
        Code::unsupported,
        value.substr(0, 64) +
            " is not served by this version: the chunks carry signatures of the placeholder "
            "key; use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER (service " +
            std::string(service) + ")");
  if (!is_hash(value))
    return fail(Code::invalid, "x-amz-content-sha256 is neither a SHA-256 nor a known marker");
  if (head.framing == Framing::none) {
    if (value != empty_hash)
      return fail(Code::invalid, "x-amz-content-sha256 names a body, but the request has none");
    return Payload{PayloadMode::empty, value};
  }
  if (value == empty_hash)
    return fail(Code::invalid,
                "x-amz-content-sha256 is that of an empty body, but the request has one");
  return Payload{PayloadMode::hex_hash, value};
}

}  // namespace keyward::netproxy
