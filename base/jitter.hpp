#pragma once
// Chance for instants, so that what was started together does not stay together.

#include <cstdint>
#include <cstring>

#include "base/crypto.hpp"

namespace keyward {

// In [0, 1), evenly.
inline double random_fraction() {
  std::uint32_t number = 0;
  std::memcpy(&number, random_bytes(sizeof number).data(), sizeof number);
  return number / 4294967296.0;
}

}  // namespace keyward
