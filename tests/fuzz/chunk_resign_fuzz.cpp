// Input: two bytes of control, then either a body whose signatures all count as right (framing,
// sizes, trailers), or a list of chunk sizes of an upload that is signed properly.
// What is resigned must decode, by the literal decoder, to what went in; how the bytes arrive must
// not matter; what is forwarded must be the bytes themselves.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tests/netproxy/chunk_reference.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

class AnySignature final : public ChunkVerifier {
 public:
  bool verifies(std::string_view, std::string_view) const override { return true; }
};

void require(bool ok) {
  if (!ok) std::abort();
}

// The object inside a body that has been accepted: sizes and data, nothing else is looked at.
std::string object_of(std::string_view body) {
  std::string data;
  for (;;) {
    const std::size_t size = std::stoul(std::string(body.substr(0, 17)), nullptr, 16);
    if (size == 0) return data;
    body.remove_prefix(body.find("\r\n") + 2);
    data += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

Piped resigned(const AwsChunkedBody& declared, const ChunkAuthor& author, std::string_view body,
               std::size_t piece) {
  ChunkResigner pipe(declared, {author, other_party().editor(), std::nullopt});
  return pipe_through(pipe, body, piece);
}

Piped forwarded(const AwsChunkedBody& declared, const ChunkAuthor& author, std::string_view body,
                ChunkForwarder::Form form) {
  ChunkForwarder pipe(declared, author, form);
  return pipe_through(pipe, body, body.size() / 20 + 1);
}

// True: accepted.
bool check(const AwsChunkedBody& declared, const ChunkAuthor& author, std::string_view body) {
  const Piped whole = resigned(declared, author, body, body.size() + 1);
  for (const std::size_t piece : {body.size() / 3 + 1, body.size() / 200 + 1}) {
    const Piped cut = resigned(declared, author, body, piece);
    require(cut.verdict.has_value() == whole.verdict.has_value() && cut.sent == whole.sent);
  }
  const Piped same = forwarded(declared, author, body, ChunkForwarder::Form::unchanged);
  const Piped bare = forwarded(declared, author, body, ChunkForwarder::Form::decoded);
  require(same.verdict.has_value() == whole.verdict.has_value());
  require(std::string_view(body).starts_with(same.sent));
  if (!whole.verdict) {
    require(!decode_chunks(declared.form, other_party(), whole.sent));
    require(same.sent.size() < body.size() || body.empty());
    require(bare.sent.size() < declared.decoded_length || declared.decoded_length == 0);
    return false;
  }
  const std::string object = object_of(body);
  const auto decoded = decode_chunks(declared.form, other_party(), whole.sent);
  require(decoded && decoded->data == object && decoded->data.size() == declared.decoded_length);
  require(same.sent == body && bare.sent == object);
  return true;
}

void check_framing(AwsChunkedForm form, std::size_t length, std::string_view body) {
  AwsChunkedBody declared{form, length, {}};
  if (form.trailer) declared.trailers = {"x-amz-checksum-xxhash64", "x-amz-checksum-crc32"};
  const ChunkAuthor author{example_party(std::string(64, '0')).chain,
                           std::make_shared<AnySignature>()};
  check(declared, author, body);
}

void check_sizes(std::string_view sizes, std::size_t unit) {
  std::string object;
  std::vector<std::string> pieces;
  for (const char c : sizes.substr(0, 4)) {
    const std::size_t size = (static_cast<unsigned char>(c) + std::size_t{1}) * unit;
    pieces.emplace_back(size, c);
    object += pieces.back();
  }
  const ChunkParty client = example_party(std::string(64, '0'));
  const AwsChunkedForm form{ChunkSigning::hmac, false};
  const std::string body = encode_chunks(form, client, pieces);
  const AwsChunkedBody declared{form, object.size(), {}};
  const bool small = std::any_of(pieces.begin(), pieces.empty() ? pieces.end() : pieces.end() - 1,
                                 [](const std::string& piece) { return piece.size() < min_piece; });
  require(check(declared, client.author(), body) == !small);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  if ((data[0] & 2U) != 0)
    check_sizes(rest, data[1] + std::size_t{1100});
  else
    check_framing({ChunkSigning::hmac, (data[0] & 1U) != 0}, data[1], rest);
  return 0;
}
