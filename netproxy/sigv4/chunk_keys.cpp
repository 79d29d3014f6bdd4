#include "netproxy/sigv4/chunk_keys.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::netproxy {

bool HmacChunkKey::verifies(std::string_view string_to_sign, std::string_view signature) const {
  ChunkSignature expected;
  return sign(string_to_sign, expected) && equal_in_constant_time(expected.text(), signature);
}

S3Result<> HmacChunkKey::sign(std::string_view string_to_sign, ChunkSignature& signature) const {
  const Digest code = key_->of(string_to_sign);
  write_hex(code, signature.characters.data());
  signature.size = 2 * code.size();
  return {};
}

bool EcdsaChunkVerifier::verifies(std::string_view string_to_sign,
                                  std::string_view signature) const {
  const auto der = unhex(signature);
  return der && key_.verifies(string_to_sign, *der);
}

S3Result<> EcdsaChunkSigner::sign(std::string_view string_to_sign,
                                  ChunkSignature& signature) const {
  const auto der = key_.sign(string_to_sign);
  if (!der || 2 * der->size() > signature.characters.size()) return s3_fail(S3Code::internal_error);
  write_hex(as_bytes(*der), signature.characters.data());
  signature.size = 2 * der->size();
  return {};
}

}  // namespace keyward::netproxy
