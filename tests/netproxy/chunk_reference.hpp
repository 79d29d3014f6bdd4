#pragma once
// aws-chunked bodies the slow and literal way, as the S3 API Reference writes them down: what the
// streaming code is compared with.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/p256.hpp"
#include "base/secret.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"
#include "netproxy/sigv4/chunk_resigner.hpp"

namespace keyward::netproxy {

// One side of an upload: who signs, and how the chain begins.
struct ChunkParty {
  ChunkChainStart chain;
  std::string hmac_key;                // ChunkSigning::hmac
  std::optional<P256PrivateKey> pair;  // ChunkSigning::ecdsa

  ChunkAuthor author() const;
  ChunkEditor editor() const;
};

// The S3 pages' example: its key and scope, with the given seed.
ChunkParty example_party(std::string seed_signature);
// Some other HMAC key, or an ECDSA key that `fill` makes.
ChunkParty other_party();
ChunkParty ecdsa_party(char fill);

using Trailers = std::vector<std::pair<std::string, std::string>>;  // as sent

// The whole body: a chunk per piece, the last chunk and what follows it.
std::string encode_chunks(AwsChunkedForm form, const ChunkParty& party,
                          const std::vector<std::string>& pieces, const Trailers& trailers = {});

// The object, if every byte of the body is right.
struct DecodedChunks {
  std::string data;
  Trailers trailers;
  std::vector<std::size_t> sizes;
};
std::optional<DecodedChunks> decode_chunks(AwsChunkedForm form, const ChunkParty& party,
                                           std::string_view body);

// Everything through a pipe: `piece` bytes at a time, sent as soon as ready.
struct Piped {
  std::string sent;
  S3Result<> verdict;
  std::size_t most_ready = 0;
};
Piped pipe_through(ChunkPipe& pipe, std::string_view body, std::size_t piece);

}  // namespace keyward::netproxy
