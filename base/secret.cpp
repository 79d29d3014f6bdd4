#include "base/secret.hpp"

#include <openssl/crypto.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward {

void wipe(void* data, std::size_t size) noexcept { OPENSSL_cleanse(data, size); }

Secret Secret::take(std::string& source) {
  Secret secret(source);
  wipe(source.data(), source.size());
  source.clear();
  return secret;
}

bool Secret::equals(std::string_view other) const {
  return other.size() == bytes_.size() &&
         CRYPTO_memcmp(bytes_.data(), other.data(), other.size()) == 0;
}

std::string Secret::fingerprint() const { return "sha256:" + hex(sha256(reveal())).substr(0, 16); }

}  // namespace keyward
