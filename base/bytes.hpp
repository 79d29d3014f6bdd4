#pragma once
// Text encodings of bytes.  Decoders accept exactly the canonical form and nothing else.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward {

inline std::string_view as_chars(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// An ASCII control byte (C0 or DEL).
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string hex(std::span<const std::uint8_t> bytes);            // lower case
void write_hex(std::span<const std::uint8_t> bytes, char* out);  // the same, into twice the room
Result<std::string> unhex(std::string_view text);                // either case, even length
std::string base64(std::string_view bytes);                      // RFC 4648 section 4, padded
Result<std::string> unbase64(std::string_view text);  // padded, canonical (unused bits are zero)
std::string base64url(
    std::string_view bytes);  // RFC 4648 section 5, no padding (RFC 7515 section 2)
Result<std::string> unbase64url(std::string_view text);  // no padding, canonical

std::string_view utf8_prefix(std::string_view text,
                             std::size_t limit);  // at most `limit` bytes, whole characters
// Foreign text for terminals and logs: its first `limit` bytes as one line of printable ASCII, `?`
// for everything else.
std::string printable(std::string_view text, std::size_t limit);
std::string lower(std::string_view text);                           // ASCII only
bool equals_ignoring_case(std::string_view a, std::string_view b);  // ASCII only
std::string_view trim(std::string_view text);  // blanks, tabs, CR and LF at both ends

}  // namespace keyward
