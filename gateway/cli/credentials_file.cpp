#include "gateway/cli/credentials_file.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view config_names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};

struct AwsKey {
  std::string_view file, environment;
};
constexpr AwsKey aws_keys[] = {{"aws_access_key_id", "AWS_ACCESS_KEY_ID"},
                               {"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"},
                               {"aws_session_token", "AWS_SESSION_TOKEN"},
                               {"region", "AWS_REGION"}};

bool is_variable(std::string_view name) {
  return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

class Parser {
 public:
  explicit Parser(std::string_view profile) : profile_(profile) {}

  Result<CredentialsFile> parse(std::string_view text) {
    while (!text.empty()) {
      const auto end = text.find('\n');
      ++line_;
      TRY(read_line(trim(text.substr(0, end))));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (sections_ && !found_)
      return fail(Code::not_found, "no profile [" + std::string(profile_) + "]");
    if (file_.credentials.empty()) return fail(Code::invalid, "no credentials");
    return std::move(file_);
  }

 private:
  tl::unexpected<Error> refuse(const char* what) const {
    return fail(Code::invalid, "line " + std::to_string(line_) + ": " + what);
  }

  Result<> read_line(std::string_view line) {
    if (line.empty() || line.front() == '#' || line.front() == ';') return {};
    if (line.front() == '[') return read_section(line);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return refuse("expected KEY=VALUE");
    const std::string_view name = trim(line.substr(0, equals));
    const std::string_view value = trim(line.substr(equals + 1));
    if (value.empty()) return refuse("the value is empty");
    if (sections_) return inside_ ? read_aws(name, value) : Result<>();
    if (!is_variable(name)) return refuse("the key is not a variable name");
    return put(name, value);
  }

  Result<> read_section(std::string_view line) {
    if (line.back() != ']') return refuse("expected [PROFILE]");
    if (!sections_ && !file_.credentials.empty()) return refuse("a section after KEY=VALUE lines");
    sections_ = true;
    inside_ = trim(line.substr(1, line.size() - 2)) == profile_;
    if (inside_ && found_) return refuse("the profile is there twice");
    found_ = found_ || inside_;
    return {};
  }

  Result<> read_aws(std::string_view name, std::string_view value) {
    const auto* key = std::find_if(std::begin(aws_keys), std::end(aws_keys),
                                   [&](const AwsKey& entry) { return entry.file == name; });
    if (key == std::end(aws_keys))
      return refuse("only aws_access_key_id, aws_secret_access_key, aws_session_token and region");
    return put(key->environment, value);
  }

  Result<> put(std::string_view name, std::string_view value) {
    const bool config =
        std::find(std::begin(config_names), std::end(config_names), name) != std::end(config_names);
    const bool added = config ? file_.config.emplace(name, value).second
                              : file_.credentials.emplace(std::string(name), Secret(value)).second;
    return added ? Result<>() : refuse("the key is there twice");
  }

  std::string_view profile_;
  CredentialsFile file_;
  bool sections_ = false, inside_ = false, found_ = false;
  int line_ = 0;
};

}  // namespace

Result<CredentialsFile> parse_credentials(std::string_view text, std::string_view profile) {
  if (text.find('\0') != std::string_view::npos)
    return fail(Code::invalid, "the file has NUL bytes");
  return Parser(profile).parse(text);
}

}  // namespace keyward::gateway
