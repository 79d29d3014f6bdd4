#pragma once
// JSON Web Key Sets (RFC 7517, RFC 7518, RFC 8037).  Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.hpp"
#include "identity/jwt/keys.hpp"

namespace keyward::identity {

// The public keys of sandbox tokens, for others.
std::string jwks_json(const KeySet& keys);

// A key of somebody else's set.
struct Jwk {
  std::string kid;
  PublicKey key;
};
using JwkSet = std::vector<Jwk>;

constexpr std::size_t jwks_limit = 256 << 10;  // bytes

// The keys that can verify RS256, ES256 or EdDSA signatures and have a kid; others are left out
// (RFC 7517 section 5), also those with another `use` or `alg`.  Refused as a whole: no JSON Web
// Key Set, two keys with one kid, or nothing usable in it.  `use` is what a key may say that it is
// for: "sig", or "jwt-svid" in a SPIFFE bundle.
Result<JwkSet> parse_jwks(std::string_view text, std::string_view use = "sig");

}  // namespace keyward::identity
