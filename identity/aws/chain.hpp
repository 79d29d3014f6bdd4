#pragma once
// Which source of AWS keys is configured: the standard chain of the AWS SDKs, decided once and from
// what is configured, so that a source that fails is an error and never another identity.  Pure.

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/url.hpp"
#include "identity/aws/shared_files.hpp"

namespace keyward::identity {

struct AwsSource;

struct StaticKeys {
  std::string access_key_id;
  Secret secret_access_key, session_token;
};
struct WebIdentityRole {
  std::string role_arn, token_file, session_name;
};
struct ContainerService {
  Url url;
  std::string token_file;  // read for each request; empty: `token`
  Secret token;            // may be empty
};
struct InstanceService {
  Url base;
};
struct KeyProcess {
  std::vector<std::string> words;
};
struct AssumedRole {
  std::string role_arn, session_name, external_id;
  unsigned duration_seconds = 3600;
  std::shared_ptr<const AwsSource> base;
};

struct AwsSource {
  std::string name;  // for people
  std::variant<StaticKeys, WebIdentityRole, ContainerService, InstanceService, KeyProcess,
               AssumedRole>
      how;
};
using AwsSourcePtr = std::shared_ptr<const AwsSource>;

// The environment, its secrets apart (base/environment.hpp).
struct AwsSettings {
  const EnvironmentMap& environment;
  const SecretVariables& secrets;  // AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
                                   // AWS_CONTAINER_AUTHORIZATION_TOKEN
  const AwsProfiles& profiles;
  std::string default_session_name;
};

// What an operator names: the first source of the chain that is configured, or one of them alone.
enum class AwsPart { chain, environment, profile, web_identity, container, instance };
struct AwsChoice {
  AwsPart part = AwsPart::chain;
  std::string profile;  // AwsPart::profile
};
// chain, environment, profile:NAME, web-identity, container, imds.
Result<AwsChoice> parse_aws_choice(std::string_view text);
bool reads_shared_files(const AwsChoice& choice);

// The chain's order: environment, profile, web identity, container, instance.  Error: what is named
// is not configured, or not rightly.
Result<AwsSourcePtr> choose_source(const AwsSettings& settings, const AwsChoice& choice = {});
// `base` as the caller of AssumeRole.
Result<AwsSourcePtr> assume(const AwsSettings& settings, const std::string& role_arn,
                            AwsSourcePtr base);

// The files that hold its tokens, its base's included; they are read each time.
std::vector<std::string> token_files(const AwsSource& source);
// It or its base is a credential process.
bool starts_program(const AwsSource& source);

// AWS_REGION, AWS_DEFAULT_REGION, else the profile's; may be empty.
std::string configured_region(const AwsSettings& settings, const AwsChoice& choice = {});

// Splits a command line as a POSIX shell would that expands nothing: blanks, quotes, backslashes.
Result<std::vector<std::string>> split_command(std::string_view text);

}  // namespace keyward::identity
