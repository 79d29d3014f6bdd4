#pragma once
// Ed25519 keys that sign and verify sandbox tokens, and their files (RFC 8410, RFC 5958, RFC 7468).
// Pure: text in, text out.

#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::identity {

struct VerifyingKey {
  std::string kid;
  PublicKey key;  // Ed25519, loaded once for all the tokens that it verifies
};
using KeySet = std::vector<VerifyingKey>;

struct SigningKey {
  Secret seed;  // 32 raw bytes
  std::string public_key;
  std::string kid;
  VerifyingKey verifying_key() const;
};

// First 16 bytes of SHA-256 over the SubjectPublicKeyInfo, as 32 lower-case hex digits.
std::string key_id(std::string_view public_key);

SigningKey generate_signing_key();

// PKCS#8: version 0, and version 1 in the two shapes that ring writes, whose embedded public key
// must be the private key's.  OpenSSL 3.0 refuses the latter, so the DER is read here.
Result<SigningKey> parse_private_key_pem(std::string_view pem);
Result<std::string> parse_public_key_pem(std::string_view pem);  // 32 raw bytes

Secret private_key_pem(const SigningKey& key);  // version 0, which every reader takes
std::string public_key_pem(std::string_view public_key);

}  // namespace keyward::identity
