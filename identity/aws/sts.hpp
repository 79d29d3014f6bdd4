#pragma once
// Requests to STS (STS API Reference, version 2011-06-15).  Pure.

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/url.hpp"
#include "identity/aws/role.hpp"
#include "identity/http/client.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::identity {

// AssumeRoleWithWebIdentity: the token is the credential, and nothing is signed.
HttpRequest web_identity_request(const Url& sts, const AwsRole& role, const Secret& token);

// Whose keys sign, when, and for which region (empty: us-east-1).
struct StsCaller {
  const netproxy::AwsCredentials& keys;
  std::string region;
  TimePoint now;
};
// AssumeRole.  Errors: of signing.
Result<HttpRequest> assume_role_request(const Url& sts, const AwsRole& role,
                                        const StsCaller& caller);

}  // namespace keyward::identity
