#pragma once
// Gets keys from a source: asks STS, a metadata service or a program.

#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "identity/aws/chain.hpp"
#include "identity/aws/keys.hpp"
#include "identity/http/client.hpp"

namespace keyward::identity {

struct FetcherSettings {
  HttpSettings http;
  std::string region;        // of STS; may be empty
  std::string sts_endpoint;  // URL; empty: AWS's own for the region
};

// Runs a credential process (chain.hpp, KeyProcess).  The composition decides whether programs are
// started at all.
using RunProcess = std::function<Result<Secret>(const std::vector<std::string>& words)>;

// Blocks.  One thread at a time.
class KeyFetcher {
 public:
  // `clock` outlives the fetcher.
  KeyFetcher(FetcherSettings settings, RunProcess run_process, const Clock& clock)
      : settings_(std::move(settings)), run_process_(std::move(run_process)), clock_(clock) {}

  // Errors name the source and the reason, never what was sent.  Keys that have expired are an
  // error.
  Result<AwsKeys> fetch(const AwsSource& source) const;

 private:
  Result<AwsKeys> get(const StaticKeys& keys) const;
  Result<AwsKeys> get(const WebIdentityRole& role) const;
  Result<AwsKeys> get(const ContainerService& service) const;
  Result<AwsKeys> get(const InstanceService& service) const;
  Result<AwsKeys> get(const KeyProcess& process) const;
  Result<AwsKeys> get(const AssumedRole& role) const;
  Result<Url> sts() const;
  Result<std::string> ask_instance(const InstanceService& service, const Secret& token,
                                   const std::string& path) const;
  Result<AwsKeys> ask_sts(const HttpRequest& request) const;

  FetcherSettings settings_;
  RunProcess run_process_;
  const Clock& clock_;
};

}  // namespace keyward::identity
