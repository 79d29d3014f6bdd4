#include "supervisor/aws_sources.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "identity/aws/fetcher.hpp"
#include "netproxy/io/look_up.hpp"
#include "supervisor/trust.hpp"

namespace keyward::supervisor {
namespace {

using identity::AwsSourcePtr;

constexpr std::chrono::seconds service_deadline{10};

bool is_provider_name(std::string_view name) {
  const auto usable = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), usable);
}

// NAME=REST
struct Named {
  std::string name, rest;
};
Result<Named> split_name(const char* option, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || !is_provider_name(text.substr(0, equals)))
    return fail(Code::invalid, std::string(option) + " " + text +
                                   ": must begin with NAME=, of letters, digits and -_.");
  return Named{text.substr(0, equals), text.substr(equals + 1)};
}

Result<> add_source(const std::string& text, std::vector<NamedAwsSource>& all) {
  constexpr const char* option = "--aws-credentials";
  TRY_ASSIGN(Named named, split_name(option, text));
  const bool twice = std::any_of(all.begin(), all.end(), [&](const NamedAwsSource& other) {
    return other.provider == named.name;
  });
  if (twice) return fail(Code::invalid, std::string(option) + " " + text + ": the name is taken");
  auto choice = identity::parse_aws_choice(named.rest);
  if (!choice) return fail_at(std::string(option) + " " + text, std::move(choice).error());
  all.push_back({std::move(named.name), std::move(*choice), {}});
  return {};
}

Result<> add_binding(const std::string& text, std::vector<NamedAwsSource>& all) {
  constexpr const char* option = "--aws-bind";
  TRY_ASSIGN(const Named named, split_name(option, text));
  const auto source = std::find_if(all.begin(), all.end(), [&](const NamedAwsSource& each) {
    return each.provider == named.name;
  });
  if (source == all.end())
    return fail(Code::invalid, std::string(option) + " " + text + ": there is no " +
                                   "--aws-credentials " + named.name + "=SOURCE");
  auto binding = netproxy::parse_binding(named.rest);
  if (!binding) return fail_at(std::string(option) + " " + text, std::move(binding).error());
  source->bindings.push_back(std::move(*binding));
  return {};
}

// What is passed on by its name alone is the supervisor's own.
Result<> check_passed_on(const RunOptions& options) {
  constexpr std::array<std::string_view, 2> harmless = {"AWS_REGION", "AWS_DEFAULT_REGION"};
  for (const std::string& entry : options.environment) {
    const bool passes = entry.starts_with("AWS_") && entry.find('=') == std::string::npos;
    if (passes && std::find(harmless.begin(), harmless.end(), entry) == harmless.end())
      return fail(Code::invalid,
                  "--env " + entry + ": is for --aws-credentials, and never enters the sandbox");
  }
  return {};
}

Error named_error(const NamedAwsSource& source, const Error& error) {
  return {error.code, "--aws-credentials " + source.provider + ": " + error.what};
}

// A source as its configuration is now.
struct Chosen {
  AwsSourcePtr source;
  std::string region;  // of STS
};
Result<Chosen> choose(const AwsSourceSettings& settings, const NamedAwsSource& named) {
  identity::AwsProfiles profiles;
  if (identity::reads_shared_files(named.choice)) {
    TRY_ASSIGN(profiles, identity::read_profiles(settings.shared_files));
  }
  const identity::AwsSettings what{settings.environment, settings.secrets, profiles,
                                   identity::host_session_name("keyward")};
  TRY_ASSIGN(AwsSourcePtr source, identity::choose_source(what, named.choice));
  if (identity::starts_program(*source))
    return fail(Code::unsupported,
                source->name +
                    ": credential_process is for the gateway and sigv4-proxy only: a supervisor "
                    "starts no program but the sandbox's");
  return Chosen{std::move(source), identity::configured_region(what, named.choice)};
}

Result<> check_files(const AwsSourceSettings& settings, const identity::AwsSource& source) {
  const std::vector<std::string>& hidden = settings.token_files;
  for (const std::string& path : identity::token_files(source))
    if (std::find(hidden.begin(), hidden.end(), path) == hidden.end())
      return fail(Code::precondition,
                  source.name + ": now names " + path +
                      ", which was not hidden from the sandbox at its start; start it anew");
  return {};
}

// A shared file that is not there yet is not hidden either, and never read.
void keep_present(std::vector<identity::SharedFilePath>& files) {
  std::erase_if(files, [](const identity::SharedFilePath& file) {
    return !file.named && ::access(file.path.c_str(), F_OK) != 0;
  });
}

Result<> read_configuration(AwsSourceSettings& settings) {
  settings.shared_files = identity::shared_file_paths(settings.environment);
  keep_present(settings.shared_files);
  bool reads_files = false;
  for (const NamedAwsSource& named : settings.named) {
    const auto chosen = choose(settings, named);
    if (!chosen) return tl::unexpected(named_error(named, chosen.error()));
    reads_files = reads_files || identity::reads_shared_files(named.choice);
    for (std::string& path : identity::token_files(*chosen->source))
      settings.token_files.push_back(std::move(path));
  }
  if (!reads_files) settings.shared_files.clear();
  return {};
}

}  // namespace

Result<std::vector<NamedAwsSource>> named_aws_sources(const RunOptions& options) {
  std::vector<NamedAwsSource> all;
  for (const std::string& text : options.aws_sources) TRY(add_source(text, all));
  for (const std::string& text : options.aws_bindings) TRY(add_binding(text, all));
  for (const NamedAwsSource& source : all)
    if (source.bindings.empty())
      return fail(Code::invalid, "--aws-credentials " + source.provider + ": needs --aws-bind " +
                                     source.provider +
                                     "=HOST[:PORT][/PATH]: keys that are bound to no endpoint are "
                                     "usable nowhere");
  if (!all.empty()) TRY(check_passed_on(options));
  return all;
}

std::vector<std::string> aws_secrets_of(const RunOptions& options) {
  return options.aws_sources.empty() ? std::vector<std::string>()
                                     : identity::aws_secret_variables();
}

Result<AwsSourceSettings> aws_source_settings(const RunOptions& options,
                                              const EnvironmentMap& environment,
                                              const SecretVariables& secrets,
                                              const netproxy::ProxySettings& names) {
  AwsSourceSettings settings;
  TRY_ASSIGN(settings.named, named_aws_sources(options));
  if (settings.named.empty()) return settings;
  settings.environment = environment;
  settings.names = names;
  for (const std::string& name : identity::aws_secret_variables())
    if (const auto found = secrets.find(name); found != secrets.end())
      settings.secrets[name] = found->second.clone();
  TRY(read_configuration(settings));
  return settings;
}

std::vector<std::string> files_of(const AwsSourceSettings& settings) {
  std::vector<std::string> files = settings.token_files;
  for (const identity::SharedFilePath& file : settings.shared_files) files.push_back(file.path);
  return files;
}

Result<identity::AwsKeys> fetch_aws_keys(const AwsSourceSettings& settings,
                                         const NamedAwsSource& source, const Clock& clock,
                                         const std::stop_token& stop) {
  TRY_ASSIGN(const Chosen chosen, choose(settings, source));
  TRY(check_files(settings, *chosen.source));
  identity::FetcherSettings how;
  how.http.ca_pem = nothing_but(settings.names.trust_store_pem);
  how.http.deadline = service_deadline;
  how.http.stop = stop;
  how.http.resolve = [&names = settings.names](const std::string& host, const auto& until) {
    return netproxy::look_up(names, host, until);
  };
  how.region = chosen.region;
  how.sts_endpoint = identity::sts_endpoint(settings.environment);
  return identity::KeyFetcher(std::move(how), nullptr, clock).fetch(*chosen.source);
}

}  // namespace keyward::supervisor
