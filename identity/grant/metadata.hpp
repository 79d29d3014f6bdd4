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

struct ServerMetadata {
  std::string token_endpoint;
  std::string tls_token_endpoint;  // for clients with a certificate (RFC 8705 section 5): the
                                   // document's alias, else the same
};

// Refused where the document calls itself another issuer, byte for byte (section 3.3), names no
// token endpoint, or an alias of it that is none.  Errors (Code::denied) never quote it.
Result<ServerMetadata> parse_server_metadata(std::string_view text, std::string_view issuer);

}  // namespace keyward::identity
