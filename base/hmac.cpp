// EVP's contexts allocate whenever they are made or copied, and look their algorithm up by name
// (OpenSSL 3.0).  For what is hashed at once, and for messages of a kept key, SHA256_CTX is a plain
// value over the same assembly.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hmac.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>

#include "base/bytes.hpp"

namespace keyward {
namespace {

constexpr std::size_t block_size = SHA256_CBLOCK;
constexpr std::uint8_t inner_pad = 0x36, outer_pad = 0x5c;
using Block = std::array<std::uint8_t, block_size>;

void require(bool ok) {
  if (!ok) std::abort();  // as in base/crypto.hpp: nothing that follows would be safe
}

std::array<std::uint32_t, 8> state_after(Block block, std::uint8_t pad) {
  for (std::uint8_t& byte : block) byte ^= pad;
  SHA256_CTX context;
  require(SHA256_Init(&context) == 1);
  SHA256_Transform(&context, block.data());
  std::array<std::uint32_t, 8> state;
  std::copy_n(std::begin(context.h), state.size(), state.begin());
  wipe(block.data(), block.size());
  wipe(&context, sizeof context);
  return state;
}

Digest finish(SHA256_CTX& context, std::string_view message) {
  require(SHA256_Update(&context, message.data(), message.size()) == 1);
  Digest digest;
  require(SHA256_Final(digest.data(), &context) == 1);
  wipe(&context, sizeof context);
  return digest;
}

Digest continue_from(const std::array<std::uint32_t, 8>& state, std::string_view message) {
  SHA256_CTX context;
  require(SHA256_Init(&context) == 1);
  std::copy(state.begin(), state.end(), std::begin(context.h));
  context.Nl = block_size * 8;  // bits so far
  return finish(context, message);
}

}  // namespace

Digest sha256(std::string_view data) {
  SHA256_CTX context;
  require(SHA256_Init(&context) == 1);
  return finish(context, data);
}

HmacSha256::HmacSha256(std::string_view key) {
  Block block{};
  if (key.size() > block_size) {
    Digest shorter = sha256(key);
    std::copy(shorter.begin(), shorter.end(), block.begin());
    wipe(shorter.data(), shorter.size());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  inner_ = state_after(block, inner_pad);
  outer_ = state_after(block, outer_pad);
  wipe(block.data(), block.size());
}

HmacSha256::HmacSha256(HmacSha256&& other) noexcept : inner_(other.inner_), outer_(other.outer_) {
  wipe(&other.inner_, sizeof other.inner_);
  wipe(&other.outer_, sizeof other.outer_);
}

HmacSha256& HmacSha256::operator=(HmacSha256&& other) noexcept {
  std::swap(inner_, other.inner_);
  std::swap(outer_, other.outer_);
  return *this;
}

HmacSha256::~HmacSha256() {
  wipe(&inner_, sizeof inner_);
  wipe(&outer_, sizeof outer_);
}

Digest HmacSha256::of(std::string_view message) const {
  Digest inner = continue_from(inner_, message);
  const Digest digest = continue_from(outer_, as_chars(inner));
  wipe(inner.data(), inner.size());
  return digest;
}

}  // namespace keyward
