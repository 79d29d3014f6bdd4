#pragma once
// Where a static credential may be used (StaticCredentialEndpointBinding of the wire contract).

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::netproxy {

struct EndpointBinding {
  std::string host;        // lower-case pattern: `*` one label, `**` any number
  std::uint16_t port = 0;  // 0 = any
  std::string path;        // glob; empty = all
  bool operator==(const EndpointBinding&) const = default;
};

// "HOST[:PORT][/PATH]", the form of options and files.  IPv6 literals stand in brackets.
Result<EndpointBinding> parse_binding(std::string_view text);

}  // namespace keyward::netproxy
