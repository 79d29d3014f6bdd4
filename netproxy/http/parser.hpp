#pragma once
// Reading and writing HTTP/1.1 heads (RFC 9112).  The parser refuses what two implementations could
// read differently: bare LF, obsolete folding, blanks before the colon, repeated or conflicting
// lengths, unknown transfer codings.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

constexpr std::size_t max_headers = 256;

// Where the head ends: the offset after CRLF CRLF, or npos when more bytes are needed.  Leading
// empty lines are no head.
std::size_t find_head_end(std::string_view buffer);

// `text` is exactly one head, CRLF CRLF included.
Result<RequestHead> parse_request_head(std::string_view text);
// `method` is the request's: it decides about the body (HEAD, CONNECT).
Result<ResponseHead> parse_response_head(std::string_view text, std::string_view method);

// Removes hop-by-hop fields: Connection and what it names, Keep-Alive, Proxy-*, TE, Upgrade (RFC
// 9110 section 7.6.1). Transfer-Encoding, Trailer and Content-Length stay: the body is forwarded in
// the framing that it came in.
void remove_hop_by_hop(Headers& headers);

std::string serialize(const RequestHead& head);
std::string serialize(const ResponseHead& head);

// HOST[:PORT] of an authority-form or absolute-form target.
struct Authority {
  std::string host;
  std::uint16_t port = 0;  // 0: none was given
};
Result<Authority> parse_authority(std::string_view text);

// "http://authority/path?query" (RFC 9112 section 3.2.2); https is refused: such requests come
// through CONNECT.
struct AbsoluteTarget {
  Authority authority;
  std::string origin_form;
};
Result<AbsoluteTarget> parse_absolute_target(std::string_view target);

}  // namespace keyward::netproxy
