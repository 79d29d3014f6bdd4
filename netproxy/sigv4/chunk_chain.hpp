#pragma once
// The chain of signatures over a body: each chunk's over its data and over the signature before it,
// the first over the request's own (S3 API Reference, "Signature Calculations for the Authorization
// Header: Transferring Payload in Multiple Chunks").  Pure.

#include <string>
#include <string_view>

#include "base/crypto.hpp"
#include "netproxy/sigv4/chunk_keys.hpp"

namespace keyward::netproxy {

// What all strings to sign of one body share, and where its chain begins.
struct ChunkChainStart {
  ChunkSigning signing = ChunkSigning::hmac;
  std::string amz_date;        // of the request: YYYYMMDDTHHMMSSZ
  std::string scope;           // credential scope, for ECDSA without region
  std::string seed_signature;  // that of the request's head
};

class ChunkChain {
 public:
  explicit ChunkChain(const ChunkChainStart& start);

  // The next string to sign; valid until the next call.
  std::string_view of_chunk(const Digest& data_hash);
  std::string_view of_trailer(const Digest& block_hash);
  // The signature of the last one, on which the next one builds.
  void advance(std::string_view signature);

 private:
  std::string chunk_, trailer_;  // begin as they always do, and hold the room for the rest
  std::size_t chunk_begin_, trailer_begin_;
  ChunkSignature previous_;
};

}  // namespace keyward::netproxy
