#pragma once
// The keys that chunks are signed and verified with: AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256
// (S3 API Reference, "Transferring payload in multiple chunks").  Pure.

#include <array>
#include <memory>
#include <string_view>

#include "base/hmac.hpp"
#include "base/p256.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"

namespace keyward::netproxy {

// As text, without padding.
struct ChunkSignature {
  std::array<char, signature_width(ChunkSigning::ecdsa)> characters{};
  std::size_t size = 0;
  std::string_view text() const { return {characters.data(), size}; }
};

// Both know one key.  Neither allocates per call where the key is HMAC's.
class ChunkVerifier {
 public:
  virtual ~ChunkVerifier() = default;
  virtual bool verifies(std::string_view string_to_sign, std::string_view signature) const = 0;
};
class ChunkSigner {
 public:
  virtual ~ChunkSigner() = default;
  // Errors: InternalError.
  virtual S3Result<> sign(std::string_view string_to_sign, ChunkSignature& signature) const = 0;
};

// A derived signing key (one date, region and service); signatures compare in constant time.
class HmacChunkKey final : public ChunkVerifier, public ChunkSigner {
 public:
  explicit HmacChunkKey(std::shared_ptr<const HmacSha256> signing_key)
      : key_(std::move(signing_key)) {}
  bool verifies(std::string_view string_to_sign, std::string_view signature) const override;
  S3Result<> sign(std::string_view string_to_sign, ChunkSignature& signature) const override;

 private:
  std::shared_ptr<const HmacSha256> key_;
};

class EcdsaChunkVerifier final : public ChunkVerifier {
 public:
  explicit EcdsaChunkVerifier(P256PublicKey key) : key_(std::move(key)) {}
  bool verifies(std::string_view string_to_sign, std::string_view signature) const override;

 private:
  P256PublicKey key_;
};

class EcdsaChunkSigner final : public ChunkSigner {
 public:
  explicit EcdsaChunkSigner(P256PrivateKey key) : key_(std::move(key)) {}
  S3Result<> sign(std::string_view string_to_sign, ChunkSignature& signature) const override;

 private:
  P256PrivateKey key_;
};

}  // namespace keyward::netproxy
