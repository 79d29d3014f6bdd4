#pragma once
// What may be wrong where an authorization server refuses a proof: servers say little, and each
// demands something else.  Pure.

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "identity/grant/grant.hpp"
#include "identity/jwt/jwt_svid.hpp"

namespace keyward::identity {

// One sentence for the operator, or "".  It names claims and settings, never a token.
std::string diagnose_refusal(const Grant& grant, const JwtSvidClaims& svid,
                             std::string_view oauth_error, TimePoint now);

}  // namespace keyward::identity
