#include "sigv4proxy/credentials.hpp"

#include "base/file.hpp"
#include "base/program.hpp"
#include "base/trust_store.hpp"
#include "identity/aws/configuration.hpp"
#include "identity/aws/fetcher.hpp"
#include "netproxy/io/look_up.hpp"

namespace keyward::sigv4proxy {
namespace {

using namespace identity;

constexpr ProgramLimits process_limits{std::chrono::seconds(60), std::size_t{64} * 1024};
constexpr std::chrono::seconds service_deadline{10};
constexpr std::chrono::seconds usual_margin{60};

Result<AwsProfiles> profiles_of(const Environment& environment) {
  return read_profiles(shared_file_paths(environment.variables));
}

// Whom STS and a container's service are trusted for.
Result<std::string> service_trust(const Options& options) {
  TRY_ASSIGN(std::string pem, system_trust_store());
  if (options.ca_file.empty()) return pem;
  TRY_ASSIGN(const std::string more, read_file(options.ca_file));
  return pem + "\n" + more;
}

Result<FetcherSettings> fetcher_settings(const CredentialDeps& deps, const AwsSource& source,
                                         const std::stop_token& stop) {
  FetcherSettings settings;
  const bool is_asked = !std::holds_alternative<StaticKeys>(source.how);
  if (is_asked) {
    TRY_ASSIGN(settings.http.ca_pem, service_trust(deps.options));
  }
  settings.http.deadline = service_deadline;
  settings.http.resolve = [&names = deps.names](const std::string& host, const auto& until) {
    return netproxy::look_up(names, host, until);
  };
  settings.region = deps.region;
  settings.sts_endpoint = sts_endpoint(deps.environment.variables);
  settings.http.stop = stop;
  return settings;
}

// Everything anew each time, so that files that were replaced are noticed.
Result<AwsKeys> fetch_keys(const CredentialDeps& deps, const std::stop_token& stop) {
  TRY_ASSIGN(const AwsProfiles profiles, profiles_of(deps.environment));
  const AwsSettings settings{deps.environment.variables, deps.environment.secrets, profiles,
                             host_session_name("sigv4-proxy")};
  TRY_ASSIGN(AwsSourcePtr source, choose_source(settings));
  if (!deps.options.role_arn.empty()) {
    TRY_ASSIGN(source, assume(settings, deps.options.role_arn, std::move(source)));
  }
  TRY_ASSIGN(FetcherSettings how, fetcher_settings(deps, *source, stop));
  const auto run = [](const std::vector<std::string>& words) {
    return program_output(words, process_limits);
  };
  return KeyFetcher(std::move(how), run, deps.clock).fetch(*source);
}

}  // namespace

Result<std::string> region_of(const Environment& environment) {
  TRY_ASSIGN(const AwsProfiles profiles, profiles_of(environment));
  return configured_region({environment.variables, environment.secrets, profiles, ""});
}

std::unique_ptr<KeyKeeper> keep_keys(const CredentialDeps& deps, Snapshot<AwsKeyState>& state) {
  return std::make_unique<KeyKeeper>(
      KeeperDeps{[deps](const std::stop_token& stop) { return fetch_keys(deps, stop); }, state,
                 deps.clock, usual_margin + std::chrono::seconds(deps.options.signature_lifetime),
                 [&metrics = deps.metrics](bool succeeded) { metrics.count_renewal(succeeded); }});
}

}  // namespace keyward::sigv4proxy
