#pragma once
// The aws-chunked content coding: what a request's head declares about such a body, and the decoder
// of its framing (S3 API Reference, "Transferring payload in multiple chunks" and "… with trailing
// headers"; docs/SIGV4.md).  Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/s3_error.hpp"

namespace keyward::netproxy {

// How each chunk is signed: not at all, AWS4-HMAC-SHA256 (64 hex digits) or AWS4-ECDSA-P256-SHA256
// (hex of a DER signature, padded with `*` to 144 characters).
enum class ChunkSigning { none, hmac, ecdsa };

// The characters of a signature in the framing.
constexpr std::size_t signature_width(ChunkSigning signing) {
  return signing == ChunkSigning::none ? 0 : signing == ChunkSigning::hmac ? 64 : 144;
}

struct AwsChunkedForm {
  ChunkSigning signing = ChunkSigning::none;
  bool trailer = true;
  friend bool operator==(const AwsChunkedForm&, const AwsChunkedForm&) = default;
};

// Of a value of x-amz-content-sha256; nullopt: it announces no such body.
std::optional<AwsChunkedForm> aws_chunked_form(std::string_view content_sha256);
// The other way; empty: S3 has none for it.
std::string_view content_sha256_of(AwsChunkedForm form);

// What a head declares.
struct AwsChunkedBody {
  AwsChunkedForm form;
  std::uint64_t decoded_length = 0;   // x-amz-decoded-content-length
  std::vector<std::string> trailers;  // x-amz-trailer: lower-case x-amz-checksum-* names
};

// Errors: MissingContentLength (no decoded length), InvalidArgument (no number), EntityTooLarge
// (more than 5 GiB), InvalidRequest (x-amz-trailer absent, not wanted, or no list of distinct
// checksums; a checksum in the head as well; an x-amz-sdk-checksum-algorithm that differs).
S3Result<AwsChunkedBody> read_aws_chunked_body(const Headers& headers, AwsChunkedForm form);

// What the next bytes of a body are.
struct ChunkStep {
  enum class Kind {
    more,               // part of a line: nothing to say yet
    chunk,              // a chunk's header: `size` bytes follow
    data,               // `data`: a stretch of the chunk's bytes
    chunk_end,          // its bytes and the line end after them are complete
    last_chunk,         // the header of the chunk of size 0
    trailer,            // `data`: the line without its end; `colon` divides name and value
    trailer_signature,  // x-amz-trailer-signature
    end                 // the body is complete
  };
  Kind kind = Kind::more;
  std::uint64_t size = 0;
  std::size_t colon = 0;
  std::string_view data;   // valid until the next call or the end of the input's bytes
  bool line_feed = false;  // of a trailer: there was one before the line's end
};

// Accepts `SIZE[;chunk-signature=SIG] CRLF data CRLF … 0[;chunk-signature=SIG] CRLF [NAME:VALUE
// CRLF … [x-amz-trailer-signature:SIG CRLF]] CRLF` and nothing else: SIZE of 1 to 16 hex digits, a
// signature wherever the form has one and of exactly its width, together the declared length, and
// for signed forms no chunk but the last below 8192 bytes.  A line feed may stand between VALUE and
// CR LF: minio-go writes its trailers so.  Which trailers there may be, and what the signatures
// must be, is for VerifiedChunks.  Holds one line; allocates nothing.
class AwsChunkedDecoder {
 public:
  AwsChunkedDecoder(AwsChunkedForm form, std::uint64_t decoded_length)
      : form_(form), left_in_object_(decoded_length) {}

  // Takes a prefix of `bytes`, at most up to one step; `bytes` may be cut anywhere.  Errors:
  // IncompleteBody, InvalidChunkSizeError, MalformedTrailerError; the decoder is unusable then.
  S3Result<ChunkStep> next(std::string_view& bytes);
  // Of the chunk or trailer under way, without padding; valid until the next header.
  std::string_view signature() const { return {signature_.data(), signature_size_}; }
  bool done() const { return state_ == State::done; }

  static constexpr std::size_t max_trailer_line = 512;  // a name and the base64 of a hash

 private:
  enum class State { header, data, data_end, trailers, closing, done };

  tl::unexpected<S3Error> broken(std::string_view what) const;
  std::size_t max_line() const;
  S3Result<bool> take_line(std::string_view& bytes);
  std::string_view line() const { return {line_.data(), line_size_}; }
  S3Result<ChunkStep> read_line();
  S3Result<ChunkStep> read_header();
  S3Result<ChunkStep> read_trailer();
  S3Result<> read_signature(std::string_view text);
  S3Result<> check_size(std::uint64_t size);

  AwsChunkedForm form_;
  State state_ = State::header;
  std::uint64_t left_in_chunk_ = 0, left_in_object_ = 0;
  std::uint64_t chunk_size_ = 0, chunk_number_ = 0;  // of the chunk under way, from 1
  std::array<char, max_trailer_line> line_{};        // the framing line under way
  std::size_t line_size_ = 0;
  std::array<char, 144> signature_{};
  std::size_t signature_size_ = 0;
};

}  // namespace keyward::netproxy
