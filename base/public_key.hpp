#pragma once
// Public keys of strangers, which verify signatures (JWS names of RFC 7518 and RFC 8037): RSA with
// PKCS#1 v1.5 and SHA-256, ECDSA on P-256 with SHA-256, Ed25519.  A key has one algorithm, so that
// no header can talk a verifier into another (RFC 8725 section 3.1).

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct evp_pkey_st;

namespace keyward {

enum class SignatureAlgorithm { rs256, es256, eddsa };

class PublicKey {
 public:
  // Big-endian numbers.  A modulus of 2048 to 8192 bits; an odd exponent of 3 to 2^32.
  static Result<PublicKey> rsa(std::string_view modulus, std::string_view exponent);
  static Result<PublicKey> p256(std::string_view x, std::string_view y);  // 32 bytes each
  static Result<PublicKey> ed25519(std::string_view bytes);               // 32 bytes

  SignatureAlgorithm algorithm() const { return algorithm_; }
  std::string ed25519_bytes() const;  // 32; empty for another kind of key
  // The signature as JWS carries it: of ES256 r ‖ s, 64 bytes.  Any thread.
  bool verifies(std::string_view message, std::string_view signature) const;

 private:
  PublicKey(SignatureAlgorithm algorithm, std::shared_ptr<evp_pkey_st> key)
      : algorithm_(algorithm), key_(std::move(key)) {}

  SignatureAlgorithm algorithm_;
  std::shared_ptr<evp_pkey_st> key_;  // copies share it
};

}  // namespace keyward
