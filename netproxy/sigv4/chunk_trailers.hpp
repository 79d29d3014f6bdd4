#pragma once
// The checksum trailers of an aws-chunked body, computed while its data passes (S3 API Reference,
// "Checking object integrity").  Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.hpp"
#include "netproxy/sigv4/checksum.hpp"
#include "netproxy/sigv4/s3_error.hpp"

namespace keyward::netproxy {

// crc32, crc32c, crc64nvme, sha1 and sha256 are checked; newer ones (xxhash …) are left to the
// upstream.
class ChunkTrailers {
 public:
  // Lower-case names, distinct.
  explicit ChunkTrailers(const std::vector<std::string>& declared);

  void update(std::string_view data);
  // Errors: MalformedTrailerError (not declared, repeated, a value with blanks inside),
  // InvalidRequest (not the base64 of such a checksum), BadDigest (not that of the data).
  S3Result<> take(std::string_view name, std::string_view value);
  // Errors: MalformedTrailerError, one is missing.
  S3Result<> all_taken() const;
  // SHA-256 of `name:value LF` for each in canonical form: lower case, trimmed, sorted.
  Digest block_hash() const;

 private:
  struct Trailer {
    std::string name;
    std::optional<Checksum> checksum;
    std::optional<std::string> value;
  };
  std::vector<Trailer> trailers_;  // sorted by name
};

}  // namespace keyward::netproxy
