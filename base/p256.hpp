#pragma once
// ECDSA on P-256 with SHA-256 (FIPS 186-4; SEC 1), as SigV4a signs: signatures are DER
// ECDSA-Sig-Value (RFC 3279 section 2.2.3) and randomized, so they are verified, never compared.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

struct evp_pkey_st;

namespace keyward {

// A public key: a point of the curve other than infinity.  Copies share it; any thread.
class P256PublicKey {
 public:
  // Errors: Code::invalid, not such a key.
  static Result<P256PublicKey> from_point(std::string_view x, std::string_view y);  // 32 bytes each
  // SubjectPublicKeyInfo (RFC 5480) of the named curve with an uncompressed point; nothing else.
  static Result<P256PublicKey> from_der(std::string_view der);
  // One "PUBLIC KEY" block (RFC 7468) that holds the same.
  static Result<P256PublicKey> from_pem(std::string_view pem);

  // False for anything but a canonical DER signature of the message.
  bool verifies(std::string_view message, std::string_view der_signature) const;

  std::string x() const;  // 32 bytes, big-endian
  std::string y() const;
  const std::shared_ptr<evp_pkey_st>& handle() const { return key_; }

 private:
  friend class P256PrivateKey;
  explicit P256PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

// A private key: wiped when the last copy goes.  Any thread.
class P256PrivateKey {
 public:
  // 32 bytes, big-endian, from 1 to n-1.  Errors: Code::invalid.
  static Result<P256PrivateKey> from_scalar(const Secret& scalar);

  Result<std::string> sign(std::string_view message) const;  // DER, at most 72 bytes
  const P256PublicKey& public_key() const { return public_key_; }

 private:
  P256PrivateKey(std::shared_ptr<evp_pkey_st> key, P256PublicKey public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}
  std::shared_ptr<evp_pkey_st> key_;
  P256PublicKey public_key_;
};

}  // namespace keyward
