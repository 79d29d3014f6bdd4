#include "base/secret.hpp"

#include <string.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward {

void wipe(void* data, std::size_t size) noexcept {
  if (size > 0) ::explicit_bzero(data, size);  // null is no argument of it
}

Secret Secret::take(std::string& source) {
  Secret secret(source);
  wipe(source.data(), source.size());
  source.clear();
  return secret;
}

bool Secret::equals(std::string_view other) const {
  return equal_in_constant_time(reveal(), other);
}

std::string Secret::fingerprint() const { return "sha256:" + hex(sha256(reveal())).substr(0, 16); }

}  // namespace keyward
