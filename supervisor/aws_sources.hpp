#pragma once
// The sources of AWS keys that this supervisor asks itself: those of the standard chain that its
// operator names (--aws-credentials), and none without a name.

#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/result.hpp"
#include "identity/aws/chain.hpp"
#include "identity/aws/configuration.hpp"
#include "identity/aws/keys.hpp"
#include "netproxy/endpoint_binding.hpp"
#include "netproxy/io/proxy.hpp"
#include "supervisor/options.hpp"

namespace keyward::supervisor {

struct NamedAwsSource {
  std::string provider;  // for credential_binding and the audit trail
  identity::AwsChoice choice;
  std::vector<netproxy::EndpointBinding> bindings;
};

struct AwsSourceSettings {
  std::vector<NamedAwsSource> named;
  EnvironmentMap environment;
  SecretVariables secrets;
  std::vector<identity::SharedFilePath> shared_files;  // those that there are
  std::vector<std::string> token_files;
  netproxy::ProxySettings names;  // DNS, and whom servers are trusted by
};

// --aws-credentials and --aws-bind.  Errors name the option and the remedy.
Result<std::vector<NamedAwsSource>> named_aws_sources(const RunOptions& options);

// What a supervisor with these options takes out of its environment, besides its own secrets.
std::vector<std::string> aws_secrets_of(const RunOptions& options);

// Reads the sources' configuration, and asks none of them.  Errors: as above, a source that is
// named and not configured, and one that would start a program.  `secrets`: aws_secrets_of().
Result<AwsSourceSettings> aws_source_settings(const RunOptions& options,
                                              const EnvironmentMap& environment,
                                              const SecretVariables& secrets,
                                              const netproxy::ProxySettings& names);

// The files that the sources read: what the sandbox must not see.
std::vector<std::string> files_of(const AwsSourceSettings& settings);

// Asks the source.  Its configuration is read again, so that files that were replaced are noticed;
// one that names other files than those of the start is an error, because they are not hidden.
// Blocks, but not once `stop` is requested.
Result<identity::AwsKeys> fetch_aws_keys(const AwsSourceSettings& settings,
                                         const NamedAwsSource& source, const Clock& clock,
                                         const std::stop_token& stop);

}  // namespace keyward::supervisor
