#pragma once
// Keys of AWS by the sandbox's own JWT-SVID: STS takes it for the first role
// (AssumeRoleWithWebIdentity), and the keys of each role for the next one (AssumeRole).  Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/url.hpp"
#include "identity/aws/role.hpp"

namespace keyward::identity {

struct AwsGrant {
  std::string region;  // whose STS is asked, and for which AssumeRole is signed
  std::vector<AwsRole> roles;
  bool operator==(const AwsGrant&) const = default;
};

// Of the JWT-SVID, where STS is Amazon's: what its guides register with the identity provider.
constexpr const char* aws_svid_audience = "sts.amazonaws.com";

// One to four roles with ARNs; names, external ids and durations as the STS API Reference has them:
// no external id for the first role, an hour at most for the others.  Errors: Code::invalid, with
// the field.
Result<> check_aws_grant(const AwsGrant& grant);

// Where two of Amazon's regional endpoints are one server: they trust each other's tokens anyway.
std::string sts_origin(const Url& endpoint);

// For the sessions of a workload: its SPIFFE ID in the characters that a session name may have,
// where it fits into 64, else the beginning of that and a digest of the whole.  No two IDs share a
// name.
std::string session_name_of(std::string_view spiffe_id);

}  // namespace keyward::identity
