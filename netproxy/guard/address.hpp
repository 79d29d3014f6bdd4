#pragma once
// Which resolved addresses may be dialled.  Loopback, unspecified, link-local, multicast and cloud
// metadata addresses never; the supervisor's own addresses never; private ranges only where the
// endpoint's allowed_ips name them.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::netproxy {

// IPv4 is kept in its own family; IPv4-mapped, -compatible, NAT64 (64:ff9b::/96) and 6to4 IPv6
// forms are classified by the IPv4 address that they carry.
struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four
  bool operator==(const Address&) const = default;
};

Result<Address> parse_address(
    std::string_view text);  // canonical dotted quad or RFC 4291 text, no zone, no brackets
std::string to_string(const Address& address);

struct AddressRange {
  Address base;
  int prefix = 0;  // bits
  bool contains(const Address& address) const;
};
Result<AddressRange> parse_range(std::string_view text);  // "10.0.0.0/8" or a single address

// Whether a range reaches into a block that is never dialled (loopback, link-local, multicast …).
// Single metadata addresses inside a private range do not count: they stay closed by themselves.
bool covers_closed_block(const AddressRange& range);

enum class AddressClass { global, internal, never };
AddressClass classify(const Address& address);

// Why an address may not be dialled, or success.  `own` are the supervisor's own interface
// addresses.
Result<> check_address(const Address& address, std::span<const AddressRange> allowed,
                       std::span<const Address> own);

}  // namespace keyward::netproxy
