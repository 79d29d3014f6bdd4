#pragma once
// HMAC-SHA256 (RFC 2104, FIPS 198-1) with a key that signs many messages.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/crypto.hpp"

namespace keyward {

// Holds the two hash states that follow from the key, not the key: a message costs its own hashing
// and nothing is allocated.  Const calls are safe from several threads.  Wiped when it ends.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  HmacSha256(HmacSha256&& other) noexcept;
  HmacSha256& operator=(HmacSha256&& other) noexcept;
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  ~HmacSha256();

  Digest of(std::string_view message) const;

 private:
  using State = std::array<std::uint32_t, 8>;
  State inner_{}, outer_{};  // after the key's block
};

}  // namespace keyward
