#pragma once
// Request targets (RFC 9112 section 3.2), split but not yet judged: the host is checked by
// canonical_host.  Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::netproxy {

struct Authority {
  std::string host;        // without brackets, as written
  std::uint16_t port = 0;  // 0: none was written
};

// "host", "host:port", "[v6]", "[v6]:port".  Userinfo, an empty host and a port outside 1..65535
// are refused.
Result<Authority> parse_authority(std::string_view text);

struct AbsoluteTarget {
  std::string scheme;     // lower case
  std::string authority;  // as written
  std::string target;     // origin-form: path and query, "/" when the path is empty
};
// "http://authority/path?query".  Errors: Code::invalid.
Result<AbsoluteTarget> parse_absolute_target(std::string_view text);

// "host", "host:port" for a port that is not the scheme's own; IPv6 gets its brackets.
std::string format_authority(std::string_view host, std::uint16_t port, std::uint16_t default_port);

}  // namespace keyward::netproxy
