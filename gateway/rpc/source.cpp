#include "gateway/rpc/source.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace keyward::gateway {
namespace {

std::string text_of(const in6_addr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  // One that is IPv4's is written as such: the same caller, however the listener was bound.
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&address);
  const void* bytes = mapped ? static_cast<const void*>(&address.s6_addr[12]) : &address;
  ::inet_ntop(mapped ? AF_INET : AF_INET6, bytes, text.data(), text.size());
  return text.data();
}

}  // namespace

std::string address_of_peer(std::string_view peer) {
  const bool v4 = peer.starts_with("ipv4:"), v6 = peer.starts_with("ipv6:");
  if (!v4 && !v6) return {};
  peer.remove_prefix(5);
  std::string address(peer.substr(0, peer.rfind(':')));
  if (v4) {
    in_addr parsed{};
    return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1 ? address : std::string();
  }
  for (const std::string_view bracket : {"%5B", "%5D", "[", "]"})
    if (const auto at = address.find(bracket); at != std::string::npos)
      address.erase(at, bracket.size());
  address.resize(std::min(address.find('%'), address.size()));  // a zone
  in6_addr parsed{};
  return ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1 ? text_of(parsed) : std::string();
}

std::string limit_key_of(const std::string& address) {
  in6_addr parsed{};
  if (::inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  std::fill(std::begin(parsed.s6_addr) + 8, std::end(parsed.s6_addr), std::uint8_t{0});
  return text_of(parsed) + "/64";
}

}  // namespace keyward::gateway
