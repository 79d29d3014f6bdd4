#pragma once
// Whether a sandbox token is the one that this supervisor is meant to have.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "identity/token/slot.hpp"
#include "supervisor/config.hpp"

namespace keyward::supervisor {

// Of the sandbox that OPENSHELL_SANDBOX_ID names, where it is set, and not expired.
Result<> check_token(const GatewaySettings& settings, const identity::Token& token, TimePoint now);

// What to do about a token that the gateway refuses: goes behind the reason.
constexpr const char* refused_token_remedy =
    "; the token is refused, `gateway sandbox token NAME` issues a new one";

}  // namespace keyward::supervisor
