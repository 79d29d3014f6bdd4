#pragma once
// How a client's chunks become the chunks that leave, and how long the whole will be.  Pure.

#include <cstdint>
#include <optional>

#include "netproxy/sigv4/aws_chunked.hpp"

namespace keyward::netproxy {

// A chunk up to this size keeps its boundaries: its data is hashed once for both signatures.
constexpr std::uint64_t max_kept_chunk = std::uint64_t{256} * 1024;
// A larger one leaves in pieces of this size, the last of them up to min_piece - 1 bytes longer,
// because S3 refuses small chunks before the last.
constexpr std::uint64_t piece_size = std::uint64_t{64} * 1024;
constexpr std::uint64_t min_piece = 8192;

// Of the piece that comes next, where `left` bytes of a chunk of `size` bytes have not left yet.
constexpr std::uint64_t next_piece(std::uint64_t size, std::uint64_t left) {
  if (size <= max_kept_chunk || left < piece_size + min_piece) return left;
  return piece_size;
}

// The length of one chunk in the framing: its header, its data, two line ends.
std::uint64_t framed_length(std::uint64_t size, ChunkSigning signing);

// The Content-Length of the body that leaves; nullopt: it is not known before the chunks are, and
// Transfer-Encoding chunked must frame it.  `client_length` is the client's own Content-Length.
// Known are bodies that certainly keep every boundary (their length stays) and bodies of a single
// chunk.  Clients use chunks of one size; of another one, ChunkResigner refuses what does not fit.
std::optional<std::uint64_t> plan_content_length(const AwsChunkedBody& body,
                                                 std::optional<std::uint64_t> client_length);

}  // namespace keyward::netproxy
