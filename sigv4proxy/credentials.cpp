#include "sigv4proxy/credentials.hpp"

#include <unistd.h>

#include <array>

#include "base/file.hpp"
#include "base/program.hpp"
#include "base/trust_store.hpp"
#include "identity/aws/fetcher.hpp"
#include "netproxy/io/look_up.hpp"

namespace keyward::sigv4proxy {
namespace {

using namespace identity;

constexpr ProgramLimits process_limits{std::chrono::seconds(60), std::size_t{64} * 1024};
constexpr std::chrono::seconds service_deadline{10};
constexpr std::chrono::seconds usual_margin{60};

std::string variable(const Environment& environment, const std::string& name) {
  const auto found = environment.variables.find(name);
  return found == environment.variables.end() ? std::string() : found->second;
}

std::string session_name() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string name = "sigv4-proxy-";
  for (const char c : std::string_view(host.data()))
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
      name += c;
  name.resize(std::min<std::size_t>(name.size(), 64));  // STS's limit
  return name;
}

// A file that its variable names must be there; a default one need not.
Result<> read_shared_file(const Environment& environment, SharedFile kind, AwsProfiles& profiles) {
  const bool config = kind == SharedFile::config;
  std::string path =
      variable(environment, config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
  const bool named = !path.empty();
  const std::string home = variable(environment, "HOME");
  if (!named && home.empty()) return {};
  if (!named) path = home + (config ? "/.aws/config" : "/.aws/credentials");
  Result<std::string> text = read_file(path);
  if (!text && text.error().code == Code::not_found && !named) return {};
  if (!text) return tl::unexpected(std::move(text).error());
  const Secret content = Secret::take(*text);
  return parse_shared_file(content.reveal(), kind, path, profiles);
}

Result<AwsProfiles> read_profiles(const Environment& environment) {
  AwsProfiles profiles;
  TRY(read_shared_file(environment, SharedFile::credentials, profiles));
  TRY(read_shared_file(environment, SharedFile::config, profiles));
  return profiles;
}

// Whom STS and a container's service are trusted for.
Result<std::string> service_trust(const Options& options) {
  TRY_ASSIGN(std::string pem, system_trust_store());
  if (options.ca_file.empty()) return pem;
  TRY_ASSIGN(const std::string more, read_file(options.ca_file));
  return pem + "\n" + more;
}

Result<FetcherSettings> fetcher_settings(const CredentialDeps& deps, const AwsSource& source) {
  FetcherSettings settings;
  const bool is_asked = !std::holds_alternative<StaticKeys>(source.how);
  if (is_asked) {
    TRY_ASSIGN(settings.http.ca_pem, service_trust(deps.options));
  }
  settings.http.deadline = service_deadline;
  settings.http.resolve = [&names = deps.names](const std::string& host, const auto& stop) {
    return netproxy::look_up(names, host, stop);
  };
  settings.region = deps.region;
  settings.sts_endpoint = variable(deps.environment, "AWS_ENDPOINT_URL_STS");
  return settings;
}

// Everything anew each time, so that files that were replaced are noticed.
Result<AwsKeys> fetch_keys(const CredentialDeps& deps) {
  TRY_ASSIGN(const AwsProfiles profiles, read_profiles(deps.environment));
  const AwsSettings settings{deps.environment.variables, deps.environment.secrets, profiles,
                             session_name()};
  TRY_ASSIGN(AwsSourcePtr source, choose_source(settings));
  if (!deps.options.role_arn.empty()) {
    TRY_ASSIGN(source, assume(settings, deps.options.role_arn, std::move(source)));
  }
  TRY_ASSIGN(FetcherSettings how, fetcher_settings(deps, *source));
  const auto run = [](const std::vector<std::string>& words) {
    return program_output(words, process_limits);
  };
  return KeyFetcher(std::move(how), run, deps.clock).fetch(*source);
}

}  // namespace

const std::vector<std::string>& secret_variables() {
  static const std::vector<std::string> names = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN"};
  return names;
}

Result<std::string> region_of(const Environment& environment) {
  TRY_ASSIGN(const AwsProfiles profiles, read_profiles(environment));
  return configured_region({environment.variables, environment.secrets, profiles, ""});
}

std::unique_ptr<KeyKeeper> keep_keys(const CredentialDeps& deps, Snapshot<AwsKeyState>& state) {
  return std::make_unique<KeyKeeper>(
      KeeperDeps{[deps] { return fetch_keys(deps); }, state, deps.clock,
                 usual_margin + std::chrono::seconds(deps.options.signature_lifetime),
                 [&metrics = deps.metrics](bool succeeded) { metrics.count_renewal(succeeded); }});
}

}  // namespace keyward::sigv4proxy
