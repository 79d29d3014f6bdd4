#include "base/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <cstdlib>

#include "base/bytes.hpp"
#include "base/hmac.hpp"

namespace keyward {
namespace {

constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

void require(bool ok) {
  if (!ok) std::abort();  // no hash, no entropy: nothing that follows would be safe
}

const unsigned char* uchars(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using DigestPtr = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

Result<KeyPtr> ed25519_key(const Secret& seed) {
  if (seed.size() != 32) return fail(Code::invalid, "ed25519: the private key must have 32 bytes");
  KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, uchars(seed.reveal()), 32));
  if (!key) return fail(Code::internal, "ed25519: cannot load the private key");
  return key;
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::string_view data) {
  std::array<std::uint8_t, 20> digest;
  require(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view data) { return HmacSha256(key).of(data); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
    require(got > 0);
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string random_uuid() {
  std::string bytes = random_bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  const std::string digits = hex(as_bytes(bytes));
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

template <std::size_t size>
void StreamHash<size>::Free::operator()(EVP_MD_CTX* context) const noexcept {
  EVP_MD_CTX_free(context);
}

template <std::size_t size>
StreamHash<size>::StreamHash() : context_(EVP_MD_CTX_new()) {
  const EVP_MD* kind = size == 32 ? EVP_sha256() : EVP_sha1();
  require(context_ && EVP_DigestInit_ex(context_.get(), kind, nullptr) == 1);
}
template <std::size_t size>
StreamHash<size>::StreamHash(StreamHash&&) noexcept = default;
template <std::size_t size>
StreamHash<size>& StreamHash<size>::operator=(StreamHash&&) noexcept = default;
template <std::size_t size>
StreamHash<size>::~StreamHash() = default;

template <std::size_t size>
void StreamHash<size>::update(std::string_view data) {
  require(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
}

template <std::size_t size>
std::array<std::uint8_t, size> StreamHash<size>::finish() {
  std::array<std::uint8_t, size> digest;
  require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  require(EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1);
  return digest;
}

template class StreamHash<32>;
template class StreamHash<20>;

void FreeKey::operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }

Secret ed25519_generate() {
  std::string seed = random_bytes(32);
  return Secret::take(seed);
}

Result<std::string> ed25519_public_key(const Secret& seed) {
  TRY_ASSIGN(const KeyPtr key, ed25519_key(seed));
  std::string raw(32, '\0');
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size) !=
      1)
    return fail(Code::internal, "ed25519: cannot derive the public key");
  return raw;
}

Result<std::string> ed25519_sign(const Secret& seed, std::string_view message) {
  TRY_ASSIGN(const KeyPtr key, ed25519_key(seed));
  const DigestPtr context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     uchars(message), message.size()) != 1)
    return fail(Code::internal, "ed25519: signing failed");
  return signature;
}

bool ed25519_verify(std::string_view public_key, std::string_view message,
                    std::string_view signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, uchars(public_key), 32));
  const DigestPtr context(EVP_MD_CTX_new());
  return key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), uchars(signature), signature.size(), uchars(message),
                          message.size()) == 1;
}

Result<std::string> aes256gcm_seal(const Secret& key, std::string_view plain,
                                   std::string_view context) {
  if (key.size() != 32) return fail(Code::invalid, "aes-256-gcm: the key must have 32 bytes");
  const CipherPtr cipher(EVP_CIPHER_CTX_new());
  const std::string nonce = random_bytes(nonce_size);
  std::string sealed(nonce_size + plain.size() + tag_size, '\0');
  sealed.replace(0, nonce_size, nonce);
  auto* out = reinterpret_cast<unsigned char*>(sealed.data()) + nonce_size;
  int size = 0;
  const bool ok =
      cipher &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, uchars(key.reveal()),
                         uchars(nonce)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, uchars(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), out, &size, uchars(plain), static_cast<int>(plain.size())) ==
          1 &&
      EVP_EncryptFinal_ex(cipher.get(), out + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_size, out + plain.size()) == 1;
  if (!ok) return fail(Code::internal, "aes-256-gcm: sealing failed");
  return sealed;
}

Result<Secret> aes256gcm_open(const Secret& key, std::string_view sealed,
                              std::string_view context) {
  if (key.size() != 32) return fail(Code::invalid, "aes-256-gcm: the key must have 32 bytes");
  if (sealed.size() < nonce_size + tag_size)
    return fail(Code::invalid, "aes-256-gcm: the sealed text is too short");
  const CipherPtr cipher(EVP_CIPHER_CTX_new());
  const std::string_view body = sealed.substr(nonce_size, sealed.size() - nonce_size - tag_size);
  std::string tag(sealed.substr(sealed.size() - tag_size));
  std::string plain(body.size() + tag_size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  int size = 0;
  const bool ok =
      cipher &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, uchars(key.reveal()),
                         uchars(sealed)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, uchars(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), out, &size, uchars(body), static_cast<int>(body.size())) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_size, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), out + size, &size) == 1;
  Secret opened;
  if (ok) opened = Secret(std::string_view(plain).substr(0, body.size()));
  wipe(plain.data(), plain.size());
  if (!ok) return fail(Code::denied, "aes-256-gcm: wrong key, wrong place or altered text");
  return opened;
}

}  // namespace keyward
