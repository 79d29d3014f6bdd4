#pragma once
// The configuration of the AWS SDKs as a program finds it: its variables and the shared files.

#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "identity/aws/shared_files.hpp"

namespace keyward::identity {

// The variables that hold secrets: taken out of the environment before anything else is read.
const std::vector<std::string>& aws_secret_variables();

struct SharedFilePath {
  SharedFile kind = SharedFile::credentials;
  std::string path;
  bool named = false;  // by its variable: then it must be there
};
// By AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, else below HOME; in the order in which they
// are read.
std::vector<SharedFilePath> shared_file_paths(const EnvironmentMap& environment);

Result<AwsProfiles> read_profiles(const std::vector<SharedFilePath>& files);

// AWS_ENDPOINT_URL_STS; empty: AWS's own.
std::string sts_endpoint(const EnvironmentMap& environment);

// Of this machine, for sessions that nobody has named: the program's name and the host's.
std::string host_session_name(const std::string& program);

}  // namespace keyward::identity
