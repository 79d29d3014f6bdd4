#pragma once
// The public keys of sandbox tokens as a JSON Web Key Set (RFC 7517, RFC 8037).  Pure.

#include <string>

#include "identity/jwt/keys.hpp"

namespace keyward::identity {

std::string jwks_json(const KeySet& keys);

}  // namespace keyward::identity
