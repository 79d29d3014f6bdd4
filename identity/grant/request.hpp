#pragma once
// What is posted to a token endpoint (application/x-www-form-urlencoded, RFC 6749 appendix B).
// Pure.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/grant/grant.hpp"

namespace keyward::identity {

struct GrantProofs {
  const Secret& svid;  // or the token in its place; not looked at where the grant uses none
  const Secret* subject = nullptr;   // of the user; for a token exchange in which the JWT-SVID is
                                     // not the subject
  std::string_view tls_client = {};  // whose certificate is presented, where one is: its SPIFFE ID
};

// Every parameter appears once, but for audience and resource, which RFC 8693 and RFC 8707 let
// repeat.  There is no client secret.  Errors: a subject is missing, or is not needed, or nobody is
// named with ClientAuth::tls (Code::precondition); raw_svid asks nobody (Code::invalid).
Result<Secret> grant_form(const Grant& grant, const GrantProofs& proofs);

}  // namespace keyward::identity
