#pragma once
// What a proxy does with header fields: lists, hop-by-hop fields, and the way back to text.

#include <string>
#include <string_view>
#include <vector>

#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

// The members of a comma-separated list, over all lines of that name (RFC 9110 section 5.6.1).
// They point into `headers`.
std::vector<std::string_view> list_tokens(const Headers& headers, std::string_view name);
bool has_list_token(const Headers& headers, std::string_view name, std::string_view token);

// Removes what belongs to one connection only (RFC 9110 section 7.6.1): Connection and what it
// names, Keep-Alive, Proxy-Connection, Proxy-Authorization, Proxy-Authenticate, Upgrade, and TE
// except `trailers`, which is passed on for this hop.  Transfer-Encoding stays: the body is passed
// on in the framing in which it came.
void strip_request_hop_headers(Headers& headers);
// As above, and Alt-Svc (RFC 7838): it would lead the client past the proxy.
void strip_response_hop_headers(Headers& headers);

std::string serialize(const RequestHead& head);
std::string serialize(const ResponseHead& head);

}  // namespace keyward::netproxy
