#include "netproxy/sigv4/chunk_trailers.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::netproxy {

ChunkTrailers::ChunkTrailers(const std::vector<std::string>& declared) {
  for (const std::string& name : declared)
    trailers_.push_back({name, Checksum::of_header(name), std::nullopt});
  std::sort(trailers_.begin(), trailers_.end(),
            [](const Trailer& a, const Trailer& b) { return a.name < b.name; });
}

void ChunkTrailers::update(std::string_view data) {
  for (Trailer& trailer : trailers_)
    if (trailer.checksum) trailer.checksum->update(data);
}

S3Result<> ChunkTrailers::take(std::string_view name, std::string_view value) {
  const auto found = std::find_if(trailers_.begin(), trailers_.end(), [&](const Trailer& trailer) {
    return equals_ignoring_case(trailer.name, name);
  });
  if (found == trailers_.end() || found->value)
    return s3_fail(S3Code::malformed_trailer_error,
                   "a trailer that x-amz-trailer does not declare, or a repeated one");
  if (value.find_first_of(" \t") != std::string_view::npos)
    return s3_fail(S3Code::malformed_trailer_error, "a trailer's value holds blanks");
  found->value = value;
  std::optional<Checksum>& checksum = found->checksum;
  if (!checksum) return {};
  const std::string computed = checksum->finish();
  if (value == computed) return {};
  if (value.size() != computed.size() || !unbase64(value))
    return s3_fail(S3Code::invalid_request,
                   "Value for " + found->name + " trailing header is invalid.");
  return s3_fail(S3Code::bad_digest, found->name + " is not the checksum of the body");
}

S3Result<> ChunkTrailers::all_taken() const {
  for (const Trailer& trailer : trailers_)
    if (!trailer.value)
      return s3_fail(S3Code::malformed_trailer_error,
                     "the trailer " + trailer.name + " is missing");
  return {};
}

Digest ChunkTrailers::block_hash() const {
  std::string block;
  for (const Trailer& trailer : trailers_)
    block += trailer.name + ":" + trailer.value.value_or("") + "\n";
  return sha256(block);
}

}  // namespace keyward::netproxy
