#pragma once
// The primitives that Keyward signs, verifies and seals with, over OpenSSL's EVP.  Functions that
// cannot fail for a valid input abort on an internal failure of the library: there is no safe way
// to go on without a hash.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

struct evp_md_ctx_st;
struct evp_pkey_st;

namespace keyward {

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view data);
std::array<std::uint8_t, 20> sha1(
    std::string_view data);  // for formats that demand it, never for security
Digest hmac_sha256(std::string_view key,
                   std::string_view data);  // base/hmac.hpp for a key that signs often
bool equal_in_constant_time(std::string_view a, std::string_view b);
std::string random_bytes(
    std::size_t count);     // from the kernel; aborts where there is no entropy source
std::string random_uuid();  // RFC 4122 version 4, lower case

// The hash of a stream, of `size` bytes.
template <std::size_t size>
class StreamHash {
 public:
  StreamHash();
  StreamHash(StreamHash&&) noexcept;
  StreamHash& operator=(StreamHash&&) noexcept;
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;
  ~StreamHash();
  void update(std::string_view data);
  std::array<std::uint8_t, size> finish();  // resets, so that the object can hash the next stream

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};
using Sha256 = StreamHash<32>;
using Sha1 = StreamHash<20>;  // for formats that demand it, never for security

struct FreeKey {
  void operator()(evp_pkey_st* key) const noexcept;
};
using KeyPtr = std::unique_ptr<evp_pkey_st, FreeKey>;

// Ed25519 (RFC 8032).  Private keys are the 32-byte seeds.
Secret ed25519_generate();
Result<std::string> ed25519_public_key(const Secret& seed);                      // 32 raw bytes
Result<std::string> ed25519_sign(const Secret& seed, std::string_view message);  // 64 raw bytes
bool ed25519_verify(std::string_view public_key, std::string_view message,
                    std::string_view signature);

// AES-256-GCM.  The key has 32 bytes; a sealed text is nonce (12, random) ‖ ciphertext ‖ tag (16).
// `context` is authenticated and not stored: it ties a sealed text to its place (table, row,
// column).
Result<std::string> aes256gcm_seal(const Secret& key, std::string_view plain,
                                   std::string_view context);
Result<Secret> aes256gcm_open(const Secret& key, std::string_view sealed, std::string_view context);

}  // namespace keyward
