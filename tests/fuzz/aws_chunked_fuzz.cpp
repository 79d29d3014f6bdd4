// Input: one byte that chooses the plan and the split, then a body.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "netproxy/sigv4/verified_chunks.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* trailers[] = {"x-amz-checksum-crc32", "x-amz-checksum-crc32c",
                                    "x-amz-checksum-crc64nvme", "x-amz-checksum-xxhash64"};

bool accepted(const AwsChunkedBody& declared, std::string_view body, std::size_t piece) {
  AwsChunkedCheck check(declared, std::nullopt);
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    if (!check.update(body.substr(0, piece))) return false;
  return check.finish().has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const AwsChunkedBody declared{
      {ChunkSigning::none, true}, data[0] & 31U, {trailers[data[0] >> 6]}};
  // The verdict must not depend on how the bytes arrive.
  const bool whole = accepted(declared, body, body.size() + 1);
  if (accepted(declared, body, 1) != whole || accepted(declared, body, 7) != whole) std::abort();
  return 0;
}
