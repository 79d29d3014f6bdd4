#include "netproxy/policy/percent.hpp"

#include "base/bytes.hpp"

namespace keyward::netproxy {

Result<std::string> percent_decode(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const auto byte = i + 2 < text.size() ? unhex(text.substr(i + 1, 2)) : fail(Code::invalid, "");
    if (!byte) return fail(Code::invalid, "malformed percent-encoding");
    bytes += *byte;
    i += 2;
  }
  return bytes;
}

std::string percent_encode(std::string_view bytes, Slash slash) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    if (is_unreserved(c) || (c == '/' && slash == Slash::keep)) {
      text += c;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    text += '%';
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

}  // namespace keyward::netproxy
