#pragma once
// The files ~/.aws/credentials and ~/.aws/config (AWS SDKs and Tools Reference Guide, "Shared
// config and credentials files").  Pure.

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::identity {

// What of a profile is used here; absent settings are empty.
struct AwsProfile {
  std::string access_key_id;
  Secret secret_access_key, session_token;
  std::string region, credential_process;
  std::string role_arn, source_profile, credential_source, external_id, role_session_name;
  std::string web_identity_token_file, duration_seconds;
  bool sso = false;  // wants a person at a browser
};
using AwsProfiles = std::map<std::string, AwsProfile>;

// In the config file a profile's section is [profile NAME] or [default], in the credentials file
// [NAME].
enum class SharedFile { credentials, config };

// Adds the file's profiles; a setting that a file read before has given stays.  Sections of other
// kinds and settings that are not used are skipped.  Errors: "PATH:LINE: …", never quoting the
// line.
Result<> parse_shared_file(std::string_view text, SharedFile kind, const std::string& path,
                           AwsProfiles& profiles);

}  // namespace keyward::identity
