#pragma once
// A sandbox token in the hands of its holder, who knows the gateway's published keys.  Pure.

#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "identity/jwt/jwks.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::identity {

// The gateway's own strict rules (verify_sandbox_token), but for two that the holder cannot know:
// the issuer may be any gateway, and a life may be as long as it says.  Whether the token has been
// revoked only the gateway can tell.  Code::unauthenticated, with the reason, where it is not
// valid.
Result<SandboxClaims> check_own_token(std::string_view text, const JwkSet& keys, TimePoint now);

}  // namespace keyward::identity
