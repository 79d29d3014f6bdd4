#include "identity/aws/shared_files.hpp"

#include "base/bytes.hpp"

namespace keyward::identity {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// A comment begins with # or ; at the line's start, or after a blank.
std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i)
    if ((line[i] == '#' || line[i] == ';') && (i == 0 || is_blank(line[i - 1])))
      return line.substr(0, i);
  return line;
}

std::string* text_setting(AwsProfile& profile, std::string_view name) {
  if (name == "aws_access_key_id") return &profile.access_key_id;
  if (name == "region") return &profile.region;
  if (name == "credential_process") return &profile.credential_process;
  if (name == "role_arn") return &profile.role_arn;
  if (name == "source_profile") return &profile.source_profile;
  if (name == "credential_source") return &profile.credential_source;
  if (name == "external_id") return &profile.external_id;
  if (name == "role_session_name") return &profile.role_session_name;
  if (name == "web_identity_token_file") return &profile.web_identity_token_file;
  if (name == "duration_seconds") return &profile.duration_seconds;
  return nullptr;
}

void set(AwsProfile& profile, std::string_view name, std::string_view value) {
  if (name == "aws_secret_access_key" && profile.secret_access_key.empty())
    profile.secret_access_key = Secret(value);
  if (name == "aws_session_token" && profile.session_token.empty())
    profile.session_token = Secret(value);
  if (name.starts_with("sso_")) profile.sso = true;
  std::string* setting = text_setting(profile, name);
  if (setting != nullptr && setting->empty()) *setting = value;
}

// The profile of a section's name, or null for a section of another kind.
AwsProfile* section(std::string_view name, SharedFile kind, AwsProfiles& profiles) {
  constexpr std::string_view word = "profile";
  const bool named =
      name.starts_with(word) && name.size() > word.size() && is_blank(name[word.size()]);
  if (kind == SharedFile::config && !named && name != "default") return nullptr;
  if (kind == SharedFile::config && named) name = trim(name.substr(word.size()));
  return &profiles[std::string(name)];
}

}  // namespace

Result<> parse_shared_file(std::string_view text, SharedFile kind, const std::string& path,
                           AwsProfiles& profiles) {
  AwsProfile* profile = nullptr;
  bool inside = false;  // some section has begun
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view raw = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    const std::string_view line = trim(without_comment(raw));
    const auto wrong = [&](const char* what) {
      return fail(Code::invalid, path + ":" + std::to_string(number) + ": " + what);
    };
    if (line.empty()) continue;
    if (line.front() == '[') {
      if (line.back() != ']') return wrong("a section's name has no end");
      profile = section(trim(line.substr(1, line.size() - 2)), kind, profiles);
      inside = true;
      continue;
    }
    if (!inside) return wrong("a setting before the first section");
    if (is_blank(raw.front())) continue;  // of a nested setting: none of them is used here
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return wrong("must be NAME = VALUE");
    const std::string name = lower(trim(line.substr(0, equals)));
    if (profile != nullptr) set(*profile, name, trim(line.substr(equals + 1)));
  }
  return {};
}

}  // namespace keyward::identity
