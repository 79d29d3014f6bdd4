#pragma once
// Credential files that operators hand over: KEY=VALUE lines, or the AWS CLI's credentials file.

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct CredentialsFile {
  std::map<std::string, Secret> credentials;
  std::map<std::string, std::string> config;  // AWS_REGION, AWS_DEFAULT_REGION
};

// `#` and `;` start comment lines.  A `[profile]` line makes it an AWS file, of which `profile` is
// read (lower-case aws_… keys and region); other keys, repeated ones, lines without `=` and empty
// values are errors that name the line and never quote it.  Pure.
Result<CredentialsFile> parse_credentials(std::string_view text, std::string_view profile);

}  // namespace keyward::gateway
