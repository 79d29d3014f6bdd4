#pragma once
// The strict reader of HTTP/1 heads (RFC 9112 sections 3 to 6).  Pure.  What two readers could
// understand differently is refused: bare LF, folded lines, a blank before a colon, control bytes,
// more than one length, a length together with a transfer coding, more than one Host.

#include <string_view>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

constexpr std::size_t max_header_lines = 200;

// The number of bytes up to and including the blank line that ends the head, 0 when it has not
// arrived yet.  A blank line made of bare LFs counts too, so that the parser can refuse it at once.
// `from`: bytes that an earlier call has already looked at.
std::size_t head_length(std::string_view bytes, std::size_t from = 0);

// `head` ends with its blank line.  Errors: Code::invalid (answer 400), Code::unsupported (501: a
// transfer coding or a protocol that is not served).
Result<RequestHead> parse_request_head(std::string_view head);

// `method` is that of the request, because the answer to HEAD has no body (RFC 9112 section 6.3).
Result<ResponseHead> parse_response_head(std::string_view head, std::string_view method);

// One field line without its line end; also used for trailers.
Result<Header> parse_field_line(std::string_view line);

bool is_token(std::string_view text);  // RFC 9110 section 5.6.2

}  // namespace keyward::netproxy
