#pragma once
// Users' tokens that token grants have as their subject (RFC 8693).  A supervisor is given one at a
// time, when it exchanges it.

#include "gateway/rpc/call_context.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

// The token that the sandbox's own provider has for that grant.  Code::not_found, in the same words
// whether or not others have it: the sandbox has no such provider, or it has no such grant.
// Code::precondition: there is no token, or it has ended by what the provider or the token itself
// says; the text says which and what to do.
Result<> get_subject_token(const CallContext& call,
                           const openshell::v1::GetSandboxSubjectTokenRequest& request,
                           openshell::v1::GetSandboxSubjectTokenResponse& response);

}  // namespace keyward::gateway
