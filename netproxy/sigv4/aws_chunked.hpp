#pragma once
// The body of STREAMING-UNSIGNED-PAYLOAD-TRAILER (docs/SIGV4.md): chunks without signatures, then a
// checksum as trailer.  It passes unchanged; here it is checked in passing, so that a body that is
// not what its head says is never completed.  Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/checksum.hpp"

namespace keyward::netproxy {

// What the head says about such a body.
struct AwsChunkedPlan {
  std::uint64_t decoded_length = 0;   // x-amz-decoded-content-length
  std::vector<std::string> trailers;  // x-amz-trailer: lower-case x-amz-checksum-* names
};

// Errors: Code::invalid, one of the two headers is missing, repeated or malformed.
Result<AwsChunkedPlan> read_aws_chunked_plan(const Headers& headers);

// Accepts exactly `SIZE CRLF data CRLF … 0 CRLF NAME:VALUE CRLF … CRLF` with SIZE of 1 to 16 hex
// digits and no extension, the decoded length and exactly the trailers of the plan, and crc32,
// crc32c, crc64nvme, sha1 and sha256 values that are right.  Newer checksums (xxhash …) are left to
// the upstream.  Nothing is allocated per chunk.
class AwsChunkedCheck {
 public:
  explicit AwsChunkedCheck(AwsChunkedPlan plan);

  // The next bytes of the body, in any split.  Errors: Code::invalid, with a text for the client;
  // every later call repeats it.
  Result<> update(std::string_view bytes);
  // After the last byte: whether the body is complete.
  Result<> finish() const;

 private:
  enum class State { size, data, data_end, trailers, done };
  struct Trailer {
    std::string name;
    std::optional<Checksum> checksum;
    bool seen = false;
  };

  Result<> step(std::string_view& bytes);
  Result<bool> take_line(std::string_view& bytes);
  Result<> read_line();
  Result<> read_size();
  Result<> read_trailer();

  State state_ = State::size;
  Result<> failure_;
  std::string line_;  // the framing line under way, without its end
  std::uint64_t left_in_chunk_ = 0;
  std::uint64_t left_in_object_ = 0;
  std::vector<Trailer> trailers_;
};

}  // namespace keyward::netproxy
