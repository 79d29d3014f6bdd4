#pragma once
// Listening sockets.

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/guard/address.hpp"

namespace keyward::sigv4proxy {

struct ListenAddress {
  netproxy::Address address;
  std::uint16_t port = 0;
};
// "ADDRESS:PORT", "[V6]:PORT", ":PORT" (all IPv4 addresses) or "PORT".  Pure.
Result<ListenAddress> parse_listen_address(const std::string& text);

Result<UniqueFd> listen_on(const ListenAddress& where);

}  // namespace keyward::sigv4proxy
