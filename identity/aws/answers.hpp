#pragma once
// What key services answer: STS (XML), container and instance metadata services and credential
// processes (JSON).  Whoever answers is not trusted: sizes, forms and characters are checked, and
// no error quotes an answer's secret parts.  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/aws/keys.hpp"

namespace keyward::identity {

// AssumeRole and AssumeRoleWithWebIdentity (STS API Reference).
Result<AwsKeys> parse_sts_answer(std::string_view xml);
// Of an error answer: its code, and "AccessDenied: …", at most 300 printable characters; or "" and
// that no reason was given.
struct StsProblem {
  std::string code, text;
};
StsProblem sts_problem(std::string_view xml);

// The JSON of a container's or an instance's service (AccessKeyId, SecretAccessKey, Token,
// Expiration; an instance says Code, too).
Result<AwsKeys> parse_metadata_answer(std::string_view json);
// The JSON of a credential process (Version 1, SessionToken; Expiration may be absent).
Result<AwsKeys> parse_process_answer(std::string_view json);

// RFC 3339, in UTC or with an offset, a fraction is cut.
Result<TimePoint> parse_rfc3339(std::string_view text);

}  // namespace keyward::identity
