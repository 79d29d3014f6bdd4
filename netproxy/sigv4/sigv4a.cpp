#include "netproxy/sigv4/sigv4a.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.hpp"
#include "base/hmac.hpp"

namespace keyward::netproxy {
namespace {

constexpr unsigned last_counter = 254;
// n - 2, n being the order of the curve.
constexpr Digest largest_candidate = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f};

// [i]₂ ‖ Label ‖ 00 ‖ Context ‖ [L]₂, where i is always one and the counter is part of the context.
std::string kdf_input(std::string_view access_key_id, unsigned counter) {
  using namespace std::string_view_literals;
  std::string input("\0\0\0\1"sv);
  return input.append("AWS4-ECDSA-P256-SHA256")
      .append("\0"sv)
      .append(access_key_id)
      .append(1, static_cast<char>(counter))
      .append("\0\0\1\0"sv);
}

// candidate <= n - 2, in constant time: the subtraction's last borrow.
bool is_in_range(const Digest& candidate) {
  unsigned borrow = 0;
  for (std::size_t i = candidate.size(); i-- > 0;)
    borrow = ((unsigned{largest_candidate[i]} - candidate[i] - borrow) >> 8) & 1U;
  return borrow == 0;
}

void add_one(Digest& number) {
  unsigned carry = 1;
  for (std::size_t i = number.size(); i-- > 0;) {
    carry += number[i];
    number[i] = static_cast<std::uint8_t>(carry & 0xff);
    carry >>= 8;
  }
}

}  // namespace

Result<Secret> sigv4a_private_number(std::string_view access_key_id, const Sigv4aMac& mac) {
  for (unsigned counter = 1; counter <= last_counter; ++counter) {
    Digest candidate = mac(kdf_input(access_key_id, counter));
    const bool usable = is_in_range(candidate);
    Secret number;
    if (usable) {
      add_one(candidate);
      number = Secret(as_chars(candidate));
    }
    wipe(candidate.data(), candidate.size());
    if (usable) return number;
  }
  return fail(Code::internal, "sigv4a: no private key follows from this credential");
}

Result<P256PrivateKey> derive_sigv4a_key(std::string_view access_key_id,
                                         const Secret& secret_access_key) {
  Secret key("AWS4A");
  key.append(secret_access_key.reveal());
  const HmacSha256 mac(key.reveal());
  TRY_ASSIGN(const Secret number,
             sigv4a_private_number(access_key_id,
                                   [&mac](std::string_view input) { return mac.of(input); }));
  return P256PrivateKey::from_scalar(number);
}

bool region_set_covers(std::string_view region_set, std::string_view region) {
  while (!region_set.empty()) {
    const auto comma = region_set.find(',');
    std::string_view pattern = trim(region_set.substr(0, comma));
    region_set = comma == std::string_view::npos ? "" : region_set.substr(comma + 1);
    if (pattern == region) return true;
    if (!pattern.ends_with('*')) continue;
    pattern.remove_suffix(1);
    if (region.starts_with(pattern)) return true;
  }
  return false;
}

}  // namespace keyward::netproxy
