// Which payload mode a request asks for (netproxy/sigv4/signer.hpp, choose_payload).

#include <algorithm>

#include "base/bytes.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

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

Result<Payload> choose_chunked(const RequestHead& head, AwsChunkedForm form,
                               const std::string& value) {
  auto body = read_aws_chunked_body(head.headers, form);
  if (!body) return fail(Code::invalid, body.error().message);
  if (head.framing == Framing::none) return fail(Code::invalid, value + " needs a body");
  const bool is_signed = form.signing != ChunkSigning::none;
  return Payload{is_signed ? PayloadMode::signed_chunks : PayloadMode::unsigned_trailer, value,
                 std::move(*body)};
}

Result<Payload> choose(const RequestHead& head, std::string_view service) {
  const std::size_t count = count_headers(head.headers, "x-amz-content-sha256");
  if (count == 0) return choose_without_value(head);
  if (count > 1) return fail(Code::invalid, "more than one x-amz-content-sha256");
  const std::string& value = *find_header(head.headers, "x-amz-content-sha256");
  if (value == unsigned_payload) return Payload{PayloadMode::unsigned_payload, value};
  if (const auto form = aws_chunked_form(value)) return choose_chunked(head, *form, value);
  if (value.starts_with("STREAMING-"))
    return fail(Code::unsupported, value.substr(0, 64) +
                                       " is not served by this version; use UNSIGNED-PAYLOAD, or a "
                                       "payload in chunks (service " +
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

}  // namespace

Result<Payload> choose_payload(const RequestHead& head, std::string_view service) {
  TRY_ASSIGN(Payload payload, choose(head, service));
  payload.at_s3 = !path_style_of(service).encode_again;
  return payload;
}

}  // namespace keyward::netproxy
