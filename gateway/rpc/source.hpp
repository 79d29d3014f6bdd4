#pragma once
// From where a call comes.

#include <string>
#include <string_view>

namespace keyward::gateway {

// The address of gRPC's name for a peer ("ipv4:192.0.2.1:50051", "ipv6:%5B2001:db8::1%5D:50051"),
// in canonical form; empty for what is no network address.
std::string address_of_peer(std::string_view peer);

// What calls from an address are counted by: of IPv6 the /64, all of which one caller has.
std::string limit_key_of(const std::string& address);

}  // namespace keyward::gateway
