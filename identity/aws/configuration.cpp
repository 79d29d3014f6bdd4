#include "identity/aws/configuration.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/file.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t longest_session_name = 64;  // STS's limit

std::string variable(const EnvironmentMap& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Result<> read_shared_file(const SharedFilePath& file, AwsProfiles& profiles) {
  Result<std::string> text = read_file(file.path);
  if (!text && text.error().code == Code::not_found && !file.named) return {};
  if (!text) return tl::unexpected(std::move(text).error());
  const Secret content = Secret::take(*text);
  return parse_shared_file(content.reveal(), file.kind, file.path, profiles);
}

}  // namespace

const std::vector<std::string>& aws_secret_variables() {
  static const std::vector<std::string> names = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN"};
  return names;
}

std::vector<SharedFilePath> shared_file_paths(const EnvironmentMap& environment) {
  const std::string home = variable(environment, "HOME");
  std::vector<SharedFilePath> paths;
  const auto add = [&](SharedFile kind, const char* name, const char* usual) {
    const std::string path = variable(environment, name);
    if (!path.empty())
      paths.push_back({kind, path, true});
    else if (!home.empty())
      paths.push_back({kind, home + usual, false});
  };
  add(SharedFile::credentials, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  add(SharedFile::config, "AWS_CONFIG_FILE", "/.aws/config");
  return paths;
}

Result<AwsProfiles> read_profiles(const std::vector<SharedFilePath>& files) {
  AwsProfiles profiles;
  for (const SharedFilePath& file : files) TRY(read_shared_file(file, profiles));
  return profiles;
}

std::string sts_endpoint(const EnvironmentMap& environment) {
  return variable(environment, "AWS_ENDPOINT_URL_STS");
}

std::string host_session_name(const std::string& program) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string name = program + "-";
  for (const char c : std::string_view(host.data()))
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
      name += c;
  name.resize(std::min(name.size(), longest_session_name));
  return name;
}

}  // namespace keyward::identity
