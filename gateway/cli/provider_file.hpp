#pragma once
// Credentials of a provider from a file or standard input, never from the command line.

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct ProviderValues {
  std::map<std::string, Secret> credentials;  // environment name → value
  std::map<std::string, std::string> config;  // AWS_REGION …
};

// Lines of NAME=VALUE or, as AWS writes them, name = value in one [profile]; `#` and `;` begin
// comments.  aws_access_key_id, aws_secret_access_key, aws_session_token and region become
// AWS_ACCESS_KEY_ID and so on.  Several profiles, unknown names of type aws, and repeated names are
// refused with FILE:LINE; values are never shown.
Result<ProviderValues> parse_provider_file(std::string_view text, const std::string& file,
                                           const std::string& type);

}  // namespace keyward::gateway
