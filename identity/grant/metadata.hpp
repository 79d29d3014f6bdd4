#pragma once
// Authorization server metadata (RFC 8414), as far as it names a token endpoint.  Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::identity {

constexpr std::size_t metadata_limit = 256 << 10;  // bytes

// Where an issuer's document may be, in the order in which to ask: RFC 8414 section 3.1, then
// OpenID Connect Discovery 1.0 section 4.  An issuer with a query is refused (RFC 8414 section 2).
Result<std::vector<std::string>> metadata_urls(std::string_view issuer);

// The token endpoint.  Refused where the document calls itself another issuer, byte for byte
// (section 3.3), or names none.  Errors (Code::denied) never quote it.
Result<std::string> parse_server_metadata(std::string_view text, std::string_view issuer);

}  // namespace keyward::identity
