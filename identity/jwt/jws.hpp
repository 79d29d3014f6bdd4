#pragma once
// The compact form of a JSON Web Signature (RFC 7515 section 7.1), split and decoded.  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "identity/jwt/json_object.hpp"

namespace keyward::identity {

constexpr std::size_t token_limit = 8192;  // bytes; longer ones are not looked at

struct CompactJws {
  JsonObject header;
  std::string payload;           // decoded, not looked at
  std::string_view signed_part;  // of the text that was parsed
  std::string signature;

  std::string header_text(std::string_view name) const;  // "" where it is absent or no text
};

// Three canonical base64url parts, the first one a JSON object.  Errors never quote the text.
Result<CompactJws> parse_compact_jws(std::string_view text);

}  // namespace keyward::identity
