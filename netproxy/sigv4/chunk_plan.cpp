#include "netproxy/sigv4/chunk_plan.hpp"

#include <array>
#include <bit>
#include <string_view>

namespace keyward::netproxy {
namespace {

constexpr std::size_t header_extra = std::string_view(";chunk-signature=").size();
constexpr std::size_t line_end = 2;

// Characters of the base64 of each checksum; nullopt: one that is not known here.
std::optional<std::size_t> checksum_width(std::string_view name) {
  struct Width {
    std::string_view name;
    std::size_t width;
  };
  constexpr std::array<Width, 5> widths = {{{"x-amz-checksum-crc32", 8},
                                            {"x-amz-checksum-crc32c", 8},
                                            {"x-amz-checksum-crc64nvme", 12},
                                            {"x-amz-checksum-sha1", 28},
                                            {"x-amz-checksum-sha256", 44}}};
  for (const Width& each : widths)
    if (each.name == name) return each.width;
  return std::nullopt;
}

// From the last chunk's header to the end.
std::optional<std::uint64_t> tail_length(const AwsChunkedBody& body) {
  std::uint64_t length = framed_length(0, body.form.signing);
  for (const std::string& name : body.trailers) {
    const auto width = checksum_width(name);
    if (!width) return std::nullopt;
    length += name.size() + 1 + *width + line_end;
  }
  if (body.form.trailer && body.form.signing != ChunkSigning::none)
    length += std::string_view("x-amz-trailer-signature:").size() +
              signature_width(body.form.signing) + line_end;
  return length;
}

std::uint64_t pieces_length(std::uint64_t size, ChunkSigning signing) {
  std::uint64_t length = 0;
  for (std::uint64_t left = size; left > 0;) {
    const std::uint64_t piece = next_piece(size, left);
    length += framed_length(piece, signing);
    left -= piece;
  }
  return length;
}

// How many chunks there are at least, if their headers are what makes the body longer than its
// data: no chunk that keeps its boundaries has more than five digits.
std::uint64_t chunk_count(std::uint64_t overhead, ChunkSigning signing) {
  const std::uint64_t each = framed_length(max_kept_chunk, signing) - max_kept_chunk;
  return (overhead + each - 1) / each;
}

}  // namespace

std::uint64_t framed_length(std::uint64_t size, ChunkSigning signing) {
  const auto digits = size == 0 ? 1 : (static_cast<std::uint64_t>(std::bit_width(size)) + 3) / 4;
  const std::uint64_t extension =
      signing == ChunkSigning::none ? 0 : header_extra + signature_width(signing);
  // The last chunk has no data and no line end of its own, but the body's closing one.
  return digits + extension + line_end + size + line_end;
}

std::optional<std::uint64_t> plan_content_length(const AwsChunkedBody& body,
                                                 std::optional<std::uint64_t> client_length) {
  if (!client_length || body.decoded_length <= max_kept_chunk) return client_length;
  const auto tail = tail_length(body);
  const ChunkSigning signing = body.form.signing;
  if (!tail || *client_length <= body.decoded_length + *tail) return std::nullopt;
  const std::uint64_t overhead = *client_length - body.decoded_length - *tail;
  if (overhead + body.decoded_length == framed_length(body.decoded_length, signing))
    return pieces_length(body.decoded_length, signing) + *tail;
  // More chunks than any uniform division into larger ones would have.
  const std::uint64_t if_larger = (body.decoded_length + max_kept_chunk) / (max_kept_chunk + 1);
  if (chunk_count(overhead, signing) > if_larger) return client_length;
  return std::nullopt;
}

}  // namespace keyward::netproxy
