#include "gateway/cli/provider_file.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace keyward::gateway {
namespace {

constexpr std::array<std::string_view, 3> aws_secrets = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"};

std::string variable_name(std::string_view key) {
  std::string name(key);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); });
  return name == "REGION" ? "AWS_REGION" : name;
}

struct Place {
  const std::string& file;
  int line;
  tl::unexpected<Error> error(std::string_view what) const {
    return fail(Code::invalid, file + ":" + std::to_string(line) + ": " + std::string(what));
  }
};

Result<> add_line(std::string_view line, const Place& place, const std::string& type,
                  ProviderValues& values) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return place.error("expected NAME=VALUE");
  const std::string name = variable_name(trim(line.substr(0, equals)));
  const std::string_view value = trim(line.substr(equals + 1));
  if (value.empty()) return place.error(name + " has no value");
  if (values.credentials.contains(name) || values.config.contains(name))
    return place.error(name + " is repeated");
  if (name == "AWS_REGION" || name == "AWS_DEFAULT_REGION") {
    values.config.emplace(name, value);
    return {};
  }
  if (type == "aws" && std::find(aws_secrets.begin(), aws_secrets.end(), name) == aws_secrets.end())
    return place.error(
        "unknown name for type aws; known are aws_access_key_id, aws_secret_access_key, "
        "aws_session_token, region");
  values.credentials.emplace(name, Secret(value));
  return {};
}

}  // namespace

Result<ProviderValues> parse_provider_file(std::string_view text, const std::string& file,
                                           const std::string& type) {
  ProviderValues values;
  int number = 0, profiles = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    const Place place{file, ++number};
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      if (++profiles > 1) return place.error("more than one profile; give a file with one");
      continue;
    }
    TRY(add_line(line, place, type, values));
  }
  if (type == "aws" && (!values.credentials.contains("AWS_ACCESS_KEY_ID") ||
                        !values.credentials.contains("AWS_SECRET_ACCESS_KEY")))
    return fail(Code::invalid, file + ": aws_access_key_id and aws_secret_access_key are needed");
  return values;
}

}  // namespace keyward::gateway
