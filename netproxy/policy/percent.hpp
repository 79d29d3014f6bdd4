#pragma once
// Percent-encoding (RFC 3986 section 2.1) in the one form that AWS signs: unreserved characters
// stand, everything else is %XX with upper-case digits.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::netproxy {

constexpr bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

Result<std::string> percent_decode(
    std::string_view text);  // refuses a malformed triplet; '+' is a plus

enum class Slash { keep, encode };
std::string percent_encode(std::string_view bytes, Slash slash);

}  // namespace keyward::netproxy
