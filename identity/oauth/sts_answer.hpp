#pragma once
// What STS answers to the roles of a grant.  Pure.

#include <string>

#include "identity/grant/answer.hpp"
#include "identity/grant/cache.hpp"
#include "identity/jwt/jwt_svid.hpp"

namespace keyward::identity {

// Status 200 and XML with keys, a session token and an end that is a second away at least.
// `oauth_error` of a failure is STS's own code (STS API Reference, "Common Errors").  Its code:
// unauthenticated, another JWT-SVID may help; unavailable, try again; precondition, the role, its
// trust policy or the identity provider is configured otherwise; denied, the answer breaks the
// rules.
tl::expected<GrantedKeys, GrantFailure> read_sts_answer(const GrantAnswerView& answer,
                                                        TimePoint now);

// What may be wrong where a JWT-SVID is refused, for the operator; begins with a colon, or is "".
std::string diagnose_web_identity(const GrantFailure& failure, const JwtSvidClaims& svid);

}  // namespace keyward::identity
