#include "identity/jwt/jws.hpp"

#include "base/bytes.hpp"

namespace keyward::identity {

std::string CompactJws::header_text(std::string_view name) const {
  const std::string* text = header.text(name);
  return text == nullptr ? std::string() : *text;
}

Result<CompactJws> parse_compact_jws(std::string_view text) {
  if (text.size() > token_limit) return fail(Code::invalid, "token: too long");
  const auto first = text.find('.');
  const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos)
    return fail(Code::invalid, "token: is not three parts separated by dots");
  CompactJws jws;
  TRY_ASSIGN(const std::string header, unbase64url(text.substr(0, first)));
  TRY_ASSIGN(jws.header, parse_json_object(header));
  TRY_ASSIGN(jws.payload, unbase64url(text.substr(first + 1, second - first - 1)));
  TRY_ASSIGN(jws.signature, unbase64url(text.substr(second + 1)));
  jws.signed_part = text.substr(0, second);
  return jws;
}

}  // namespace keyward::identity
