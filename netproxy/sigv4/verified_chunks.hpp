#pragma once
// An aws-chunked body whose signatures, checksums and framing hold.  Pure.

#include <memory>
#include <optional>

#include "netproxy/sigv4/chunk_chain.hpp"
#include "netproxy/sigv4/chunk_trailers.hpp"

namespace keyward::netproxy {

// Who must have signed the chunks.
struct ChunkAuthor {
  ChunkChainStart chain;
  std::shared_ptr<const ChunkVerifier> key;
};

// The decoder's steps, each only once what it says is true: `chunk_end` and `last_chunk` after the
// chunk's signature, `trailer_signature` after that of exactly the declared trailers, `end` after
// everything.  `chunk` and `data` come before anything is known about them.
class VerifiedChunks {
 public:
  // `author` is ignored by the unsigned form; a signed form without one verifies nothing and fails
  // at the first signature.
  VerifiedChunks(const AwsChunkedBody& body, const std::optional<ChunkAuthor>& author);

  // As AwsChunkedDecoder::next.  Errors: also SignatureDoesNotMatch, BadDigest, InvalidRequest;
  // every later call repeats the first one.
  S3Result<ChunkStep> next(std::string_view& bytes);
  // After the last byte.  Errors: IncompleteBody, it ended early; or what next() had.
  S3Result<> finish() const;
  bool done() const { return !failure_ && decoder_.done(); }

  // What the last signature covers: a chunk's data, or the trailers in canonical form.
  const Digest& hash() const { return hash_; }
  // The client's, of the last header or trailer signature, without padding.
  std::string_view signature() const { return decoder_.signature(); }

 private:
  S3Result<ChunkStep> check(ChunkStep step);
  S3Result<> verify(ChunkChain& chain, std::string_view string_to_sign);

  AwsChunkedForm form_;
  AwsChunkedDecoder decoder_;
  ChunkTrailers trailers_;
  std::optional<ChunkChain> chain_;
  std::shared_ptr<const ChunkVerifier> key_;
  Sha256 data_;
  Digest hash_{};
  std::optional<S3Error> failure_;
};

// The whole check of a body that passes as it is, in any split.
class AwsChunkedCheck {
 public:
  AwsChunkedCheck(const AwsChunkedBody& body, const std::optional<ChunkAuthor>& author)
      : chunks_(body, author) {}
  S3Result<> update(std::string_view bytes);  // every call after an error repeats it
  S3Result<> finish() const { return chunks_.finish(); }

 private:
  VerifiedChunks chunks_;
};

}  // namespace keyward::netproxy
