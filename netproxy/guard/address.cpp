#include "netproxy/guard/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace keyward::netproxy {
namespace {

struct RangeRow {
  const char* text;
  const char* why;
};

// Never dialled, whatever a policy says (RFC 6890; cloud metadata services of AWS, Alibaba, Oracle
// and Azure).
constexpr RangeRow never_rows[] = {{"0.0.0.0/8", "unspecified"},
                                   {"127.0.0.0/8", "loopback"},
                                   {"169.254.0.0/16", "link-local"},
                                   {"100.100.100.200/32", "metadata service"},
                                   {"192.0.0.192/32", "metadata service"},
                                   {"168.63.129.16/32", "metadata service"},
                                   {"224.0.0.0/4", "multicast"},
                                   {"255.255.255.255/32", "broadcast"},
                                   {"::/128", "unspecified"},
                                   {"::1/128", "loopback"},
                                   {"fe80::/10", "link-local"},
                                   {"fec0::/10", "site-local"},
                                   {"fd00:ec2::254/128", "metadata service"},
                                   {"fd20:ce::254/128", "metadata service"},
                                   {"ff00::/8", "multicast"}};

// Dialled only where allowed_ips names them.
constexpr RangeRow internal_rows[] = {{"10.0.0.0/8", "private"},
                                      {"172.16.0.0/12", "private"},
                                      {"192.168.0.0/16", "private"},
                                      {"100.64.0.0/10", "shared address space"},
                                      {"192.0.0.0/24", "IETF protocol"},
                                      {"192.0.2.0/24", "documentation"},
                                      {"198.18.0.0/15", "benchmarking"},
                                      {"198.51.100.0/24", "documentation"},
                                      {"203.0.113.0/24", "documentation"},
                                      {"192.88.99.0/24", "6to4 relay"},
                                      {"240.0.0.0/4", "reserved"},
                                      {"fc00::/7", "unique local"},
                                      {"2001:db8::/32", "documentation"},
                                      {"100::/64", "discard only"},
                                      {"2001::/23", "IETF protocol"},
                                      {"3fff::/20", "documentation"},
                                      {"4000::/2", "reserved"},
                                      {"8000::/2", "reserved"},
                                      {"c000::/3", "reserved"},
                                      {"e000::/4", "reserved"},
                                      {"f000::/5", "reserved"},
                                      {"f800::/6", "reserved"},
                                      {"fe00::/9", "reserved"}};

struct ParsedRow {
  AddressRange range;
  const char* why;
};

template <std::size_t size>
std::vector<ParsedRow> parse_rows(const RangeRow (&rows)[size]) {
  std::vector<ParsedRow> parsed;
  for (const RangeRow& row : rows) parsed.push_back({parse_range(row.text).value(), row.why});
  return parsed;
}

const std::vector<ParsedRow>& never_ranges() {
  static const std::vector<ParsedRow> rows = parse_rows(never_rows);
  return rows;
}

const std::vector<ParsedRow>& internal_ranges() {
  static const std::vector<ParsedRow> rows = parse_rows(internal_rows);
  return rows;
}

// IPv6 forms that lead to an IPv4 address: where the packet ends up is what counts.
struct Carrier {
  const char* prefix;
  std::size_t offset;  // of the IPv4 address, in bytes
};
constexpr Carrier carriers[] = {{"::ffff:0:0/96", 12},
                                {"::/96", 12},
                                {"64:ff9b::/96", 12},
                                {"64:ff9b:1::/48", 12},
                                {"2002::/16", 2}};

Address effective(const Address& address) {
  if (!address.v6) return address;
  static const std::vector<std::pair<AddressRange, std::size_t>> parsed = [] {
    std::vector<std::pair<AddressRange, std::size_t>> rows;
    for (const Carrier& row : carriers)
      rows.emplace_back(parse_range(row.prefix).value(), row.offset);
    return rows;
  }();
  const Address unspecified = parse_address("::").value(), loopback = parse_address("::1").value();
  if (address == unspecified || address == loopback) return address;
  for (const auto& [range, offset] : parsed) {
    if (!range.contains(address)) continue;
    Address carried;
    std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(offset), 4,
                carried.bytes.begin());
    return carried;
  }
  return address;
}

const char* find_reason(const std::vector<ParsedRow>& rows, const Address& address) {
  const auto found = std::find_if(
      rows.begin(), rows.end(), [&](const ParsedRow& row) { return row.range.contains(address); });
  return found == rows.end() ? nullptr : found->why;
}

// inet_pton also reads leading zeros as decimal in some libraries; one spelling only.
bool canonical_quad(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '0' && (i == 0 || text[i - 1] == '.') && text[i + 1] != '.') return false;
  return true;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const std::string copy(text);
  Address address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (text.find('\0') == std::string_view::npos && (address.v6 || canonical_quad(text)) &&
      ::inet_pton(address.v6 ? AF_INET6 : AF_INET, copy.c_str(), address.bytes.data()) == 1)
    return address;
  return fail(Code::invalid, "not an IP address: " + copy);
}

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

bool AddressRange::contains(const Address& address) const {
  if (address.v6 != base.v6) return false;
  for (int bit = 0; bit < prefix; bit += 8) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = prefix - bit >= 8 ? 0xff : 0xff << (8 - (prefix - bit)) & 0xff;
    if (((address.bytes.at(byte) ^ base.bytes.at(byte)) & mask) != 0) return false;
  }
  return true;
}

Result<AddressRange> parse_range(std::string_view text) {
  const auto slash = text.find('/');
  AddressRange range;
  TRY_ASSIGN(range.base, parse_address(text.substr(0, slash)));
  const int bits = range.base.v6 ? 128 : 32;
  range.prefix = bits;
  if (slash == std::string_view::npos) return range;
  const std::string_view length = text.substr(slash + 1);
  const auto [end, error] =
      std::from_chars(length.data(), length.data() + length.size(), range.prefix);
  if (error != std::errc() || end != length.data() + length.size() || range.prefix < 0 ||
      range.prefix > bits)
    return fail(Code::invalid, "not an address range: " + std::string(text));
  return range;
}

bool covers_closed_block(const AddressRange& range) {
  const auto& rows = never_ranges();
  return std::any_of(rows.begin(), rows.end(),
                     [&](const ParsedRow& row) {
                       const bool single = row.range.prefix == (row.range.base.v6 ? 128 : 32);
                       return row.range.contains(range.base) ||
                              (!single && range.contains(row.range.base));
                     }) ||
         range.prefix == 0 || classify(range.base) == AddressClass::never;
}

AddressClass classify(const Address& address) {
  const Address target = effective(address);
  if (find_reason(never_ranges(), target) != nullptr ||
      find_reason(never_ranges(), address) != nullptr)
    return AddressClass::never;
  if (find_reason(internal_ranges(), target) != nullptr ||
      find_reason(internal_ranges(), address) != nullptr)
    return AddressClass::internal;
  return AddressClass::global;
}

Result<> check_address(const Address& address, std::span<const AddressRange> allowed,
                       std::span<const Address> own) {
  const Address target = effective(address);
  const std::string shown = to_string(address);
  const char* never = find_reason(never_ranges(), target);
  if (never == nullptr) never = find_reason(never_ranges(), address);
  if (never != nullptr)
    return fail(Code::denied, shown + " is a " + never + " address, which is never dialled");
  if (std::find(own.begin(), own.end(), target) != own.end())
    return fail(Code::denied,
                shown + " is one of the supervisor's own addresses, which are never dialled");
  if (classify(address) == AddressClass::global) return {};
  const auto opens = [&](const AddressRange& range) {
    return range.contains(target) || range.contains(address);
  };
  if (std::any_of(allowed.begin(), allowed.end(), opens)) return {};
  return fail(Code::denied, shown + " is an internal address, and its range is not opened");
}

}  // namespace keyward::netproxy
