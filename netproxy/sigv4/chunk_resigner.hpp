#pragma once
// Upload bodies on their way through: verified by the client's key and signed anew by ours, or
// verified only.  Pure.

#include <cstdint>
#include <optional>
#include <string>

#include "netproxy/sigv4/chunk_plan.hpp"
#include "netproxy/sigv4/verified_chunks.hpp"

namespace keyward::netproxy {

// Bytes in, verified bytes out.  Of a chunk that keeps its boundaries nothing is ready before its
// signature has been verified.  Of a larger one the pieces leave while it arrives, but the last of
// them only then.  The end of the last chunk with data, the last chunk and the trailers are ready
// only once everything is verified: an upstream never gets the end of a body, nor the last byte of
// an object, that its author did not sign.  After an error nothing is ready any more.  Holds at
// most one chunk and a piece (400 KiB), and allocates nothing per chunk.
class ChunkPipe {
 public:
  virtual ~ChunkPipe() = default;

  // Takes a prefix of `bytes` and says how long it was: not all of them once something is ready.
  // Errors: S3's code for what is wrong; every later call repeats it.
  virtual S3Result<std::size_t> take(std::string_view bytes) = 0;
  std::string_view ready() const { return std::string_view(out_).substr(0, ready_); }
  void sent();  // frees what was ready
  // The verdict, after the last byte.  Errors: IncompleteBody, or what take() had.
  virtual S3Result<> finish() const = 0;
  // Everything has been taken and verified.
  virtual bool done() const = 0;

 protected:
  explicit ChunkPipe(const AwsChunkedBody& body);
  void release() { ready_ = out_.size(); }  // all of it
  void drop();                              // all of it: nothing leaves any more

  std::string out_;
  std::size_t ready_ = 0;
  std::uint64_t gone_ = 0;  // bytes that stood before out_
};

// Who signs what leaves.
struct ChunkEditor {
  ChunkChainStart chain;  // of the request that leaves
  std::shared_ptr<const ChunkSigner> key;
};

class ChunkResigner final : public ChunkPipe {
 public:
  // `content_length`: what plan_content_length promised; a body that turns out otherwise fails with
  // InvalidChunkSizeError before its end.  The form is a signed one.
  struct Sides {
    std::optional<ChunkAuthor> author;
    ChunkEditor editor;
    std::optional<std::uint64_t> content_length;
  };
  ChunkResigner(const AwsChunkedBody& body, Sides sides);

  S3Result<std::size_t> take(std::string_view bytes) override;
  S3Result<> finish() const override;
  bool done() const override { return !failure_ && chunks_.done(); }

 private:
  S3Result<> step(std::string_view& bytes);
  S3Result<> write(const ChunkStep& step);
  void begin_piece(std::uint64_t size);
  S3Result<> end_piece(const Digest& hash);
  S3Result<> write_data(std::string_view data);
  void write_trailer(const ChunkStep& step);
  void reserve_signature();
  S3Result<> write_signature(std::string_view string_to_sign);
  static tl::unexpected<S3Error> promise_broken();

  VerifiedChunks chunks_;
  std::shared_ptr<const ChunkSigner> key_;
  ChunkChain chain_;
  ChunkSigning signing_;
  std::optional<std::uint64_t> promised_;
  std::uint64_t left_in_object_;                      // decoded bytes that have not come yet
  std::uint64_t chunk_size_ = 0, left_in_chunk_ = 0;  // of the client's chunk
  std::uint64_t left_in_piece_ = 0;
  std::uint64_t signature_at_ = 0;  // of the piece under way, over the whole upload
  std::uint64_t end_at_ = 0;        // of the last chunk's header, likewise
  Sha256 piece_;
  std::optional<S3Error> failure_;
};

// Verified only: the client's bytes as they came, or the object's.  Of the latter the last byte is
// ready only once everything is verified, too.
class ChunkForwarder final : public ChunkPipe {
 public:
  enum class Form { unchanged, decoded };
  ChunkForwarder(const AwsChunkedBody& body, const std::optional<ChunkAuthor>& author, Form form);

  S3Result<std::size_t> take(std::string_view bytes) override;
  S3Result<> finish() const override { return chunks_.finish(); }
  bool done() const override { return chunks_.done(); }

 private:
  void write(const ChunkStep& step, std::string_view taken);

  VerifiedChunks chunks_;
  Form form_;
  std::uint64_t chunk_size_ = 0;  // of the chunk under way
  std::uint64_t left_in_object_;
};

}  // namespace keyward::netproxy
