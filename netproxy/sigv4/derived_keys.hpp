#pragma once
// SigV4 signing keys without the secret that they come from: whoever holds one can sign for one UTC
// date, region and service and for nothing else.  Pure.

#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

constexpr std::size_t derived_key_size = 32;  // bytes
// How far a request's time may be from the server's ("RequestTimeTooSkewed").
constexpr std::chrono::minutes skew_window{15};

// When a signature of that date can be taken: its day in UTC, and the skew window before and after.
struct KeyValidity {
  TimePoint not_before, not_after;
  bool operator==(const KeyValidity&) const = default;
};
struct DerivedKey {
  SigningScope scope;
  Secret bytes;  // derived_key_size
  KeyValidity validity{};
};

// Error: not YYYYMMDD, or no day of the calendar.
Result<KeyValidity> validity_of_date(std::string_view date);

// A region or service as it stands in a credential scope: lower-case letters, digits and hyphens,
// at most 64.  No pattern, no separator.
bool is_scope_name(std::string_view name);

// Null: there is none for exactly that date, region and service.  Lives as long as `keys`.
const DerivedKey* find_key(const std::vector<DerivedKey>& keys, const SigningScope& scope);

}  // namespace keyward::netproxy
