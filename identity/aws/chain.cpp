#include "identity/aws/chain.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward::identity {
namespace {

constexpr std::string_view instance_default = "http://169.254.169.254";
constexpr std::string_view container_host = "http://169.254.170.2";
// ECS and EKS Pod Identity: the only hosts besides loopback that a token goes to without TLS.
constexpr std::array<std::string_view, 3> container_hosts = {"169.254.170.2", "169.254.170.23",
                                                             "fd00:ec2::23"};
constexpr int deepest_chain = 8;  // roles that assume roles

std::string variable(const AwsSettings& settings, const std::string& name) {
  const auto found = settings.environment.find(name);
  return found == settings.environment.end() ? std::string() : found->second;
}

Secret secret(const AwsSettings& settings, const std::string& name) {
  const auto found = settings.secrets.find(name);
  return found == settings.secrets.end() ? Secret() : found->second.clone();
}

AwsSourcePtr make(std::string name, decltype(AwsSource::how) how) {
  return std::make_shared<const AwsSource>(AwsSource{std::move(name), std::move(how)});
}

Result<AwsSourcePtr> from_environment(const AwsSettings& settings) {
  const std::string id = variable(settings, "AWS_ACCESS_KEY_ID");
  Secret key = secret(settings, "AWS_SECRET_ACCESS_KEY");
  if (id.empty() && key.empty()) return AwsSourcePtr();
  if (id.empty() || key.empty())
    return fail(Code::invalid,
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both or not at all");
  return make("environment", StaticKeys{id, std::move(key), secret(settings, "AWS_SESSION_TOKEN")});
}

Result<AwsSourcePtr> from_web_identity(const AwsSettings& settings) {
  const std::string file = variable(settings, "AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string role = variable(settings, "AWS_ROLE_ARN");
  if (file.empty()) return AwsSourcePtr();
  if (role.empty())
    return fail(Code::invalid, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN");
  const std::string session = variable(settings, "AWS_ROLE_SESSION_NAME");
  return make(
      "web identity of " + role,
      WebIdentityRole{role, file, session.empty() ? settings.default_session_name : session});
}

Result<AwsSourcePtr> from_container(const AwsSettings& settings) {
  const std::string path = variable(settings, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = variable(settings, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (path.empty() && full.empty()) return AwsSourcePtr();
  const std::string text = path.empty() ? full : std::string(container_host) + path;
  Result<Url> url = parse_url(text);
  if (!url) return fail_at("the container's credentials URI", std::move(url).error());
  const bool known =
      std::find(container_hosts.begin(), container_hosts.end(), url->host) != container_hosts.end();
  if (!url->tls && !known && !is_loopback(*url))
    return fail(Code::denied,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI: without https only for loopback and the "
                "container services' own addresses");
  return make("container",
              ContainerService{*url, variable(settings, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
                               secret(settings, "AWS_CONTAINER_AUTHORIZATION_TOKEN")});
}

Result<AwsSourcePtr> from_instance(const AwsSettings& settings) {
  if (equals_ignoring_case(variable(settings, "AWS_EC2_METADATA_DISABLED"), "true"))
    return AwsSourcePtr();
  const std::string named = variable(settings, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  Result<Url> base = parse_url(named.empty() ? instance_default : named);
  if (!base) return fail_at("AWS_EC2_METADATA_SERVICE_ENDPOINT", std::move(base).error());
  return make("instance", InstanceService{*base});
}

// Profiles may name one another; the chain ends at one with keys.
class ProfileReader {
 public:
  explicit ProfileReader(const AwsSettings& settings) : settings_(settings) {}

  Result<AwsSourcePtr> read(const std::string& name, int depth = 0) const {
    const auto found = settings_.profiles.find(name);
    if (found == settings_.profiles.end())
      return fail(Code::not_found, "profile " + name + " is not in the shared files");
    if (depth == deepest_chain)
      return fail(Code::invalid, "profile " + name + ": source_profile leads in a circle");
    const AwsProfile& profile = found->second;
    if (!profile.role_arn.empty()) return read_role(name, profile, depth);
    if (auto keys = read_keys(name, profile); !keys || *keys) return keys;
    if (profile.sso)
      return fail(Code::unsupported,
                  "profile " + name + ": SSO wants a person: use another source");
    return AwsSourcePtr();  // of no use for keys: it may only set a region
  }

 private:
  static Result<AwsSourcePtr> read_keys(const std::string& name, const AwsProfile& profile) {
    if (profile.access_key_id.empty() != profile.secret_access_key.empty())
      return fail(Code::invalid, "profile " + name + ": has half of a key pair");
    if (!profile.access_key_id.empty())
      return make("profile " + name,
                  StaticKeys{profile.access_key_id, profile.secret_access_key.clone(),
                             profile.session_token.clone()});
    if (profile.credential_process.empty()) return AwsSourcePtr();
    auto words = split_command(profile.credential_process);
    if (!words)
      return fail_at("profile " + name + ": credential_process", std::move(words).error());
    return make("credential_process of profile " + name, KeyProcess{std::move(*words)});
  }

  Result<AwsSourcePtr> read_role(const std::string& name, const AwsProfile& profile,
                                 int depth) const {
    const std::string session = profile.role_session_name.empty() ? settings_.default_session_name
                                                                  : profile.role_session_name;
    if (!profile.web_identity_token_file.empty())
      return make("web identity of profile " + name,
                  WebIdentityRole{profile.role_arn, profile.web_identity_token_file, session});
    AssumedRole role{profile.role_arn, session, profile.external_id, 3600, nullptr};
    if (!profile.duration_seconds.empty()) {
      const std::string& text = profile.duration_seconds;
      const auto [end, error] =
          std::from_chars(text.data(), text.data() + text.size(), role.duration_seconds);
      if (error != std::errc() || end != text.data() + text.size() || role.duration_seconds < 900 ||
          role.duration_seconds > 43'200)
        return fail(Code::invalid, "profile " + name + ": duration_seconds must be 900 to 43200");
    }
    TRY_ASSIGN(role.base, read_base(name, profile, depth));
    if (!role.base)
      return fail(Code::invalid, "profile " + name + ": nothing to assume its role with");
    return make("role of profile " + name, std::move(role));
  }

  Result<AwsSourcePtr> read_base(const std::string& name, const AwsProfile& profile,
                                 int depth) const {
    if (!profile.source_profile.empty() && profile.source_profile != name)
      return read(profile.source_profile, depth + 1);
    if (profile.credential_source == "Environment") return from_environment(settings_);
    if (profile.credential_source == "EcsContainer") return from_container(settings_);
    if (profile.credential_source == "Ec2InstanceMetadata") return from_instance(settings_);
    // The profile's own keys assume its role.
    return read_keys(name, profile);
  }

  const AwsSettings& settings_;
};

std::string profile_name(const AwsSettings& settings, const AwsChoice& choice) {
  if (choice.part == AwsPart::profile) return choice.profile;
  const std::string named = variable(settings, "AWS_PROFILE");
  return named.empty() ? "default" : named;
}

Result<AwsSourcePtr> from_profile(const AwsSettings& settings) {
  const bool asked = !variable(settings, "AWS_PROFILE").empty();
  const std::string name = profile_name(settings, {});
  if (!asked && !settings.profiles.contains(name)) return AwsSourcePtr();
  return ProfileReader(settings).read(name);
}

Result<AwsSourcePtr> first_of_chain(const AwsSettings& settings) {
  for (const auto& part :
       {from_environment, from_profile, from_web_identity, from_container, from_instance}) {
    Result<AwsSourcePtr> source = part(settings);
    if (!source || *source) return source;
  }
  return AwsSourcePtr();
}

// One that is named alone.
struct NamedPart {
  AwsPart part;
  std::string_view word;
  Result<AwsSourcePtr> (*read)(const AwsSettings& settings);
  const char* missing;
};
constexpr std::array<NamedPart, 5> named_parts = {
    {{AwsPart::chain, "chain", first_of_chain, "no source of AWS credentials is configured"},
     {AwsPart::environment, "environment", from_environment,
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"},
     {AwsPart::web_identity, "web-identity", from_web_identity,
      "AWS_WEB_IDENTITY_TOKEN_FILE is not set"},
     {AwsPart::container, "container", from_container,
      "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is "
      "set"},
     {AwsPart::instance, "imds", from_instance, "AWS_EC2_METADATA_DISABLED is true"}}};

}  // namespace

Result<AwsChoice> parse_aws_choice(std::string_view text) {
  constexpr std::string_view profile = "profile:";
  if (text.starts_with(profile) && text.size() > profile.size())
    return AwsChoice{AwsPart::profile, std::string(text.substr(profile.size()))};
  for (const NamedPart& each : named_parts)
    if (each.word == text) return AwsChoice{each.part, ""};
  return fail(Code::invalid,
              "must be chain, environment, profile:NAME, web-identity, container or imds");
}

bool reads_shared_files(const AwsChoice& choice) {
  return choice.part == AwsPart::chain || choice.part == AwsPart::profile;
}

Result<AwsSourcePtr> choose_source(const AwsSettings& settings, const AwsChoice& choice) {
  if (choice.part == AwsPart::profile) {
    TRY_ASSIGN(AwsSourcePtr source, ProfileReader(settings).read(choice.profile));
    if (source) return source;
    return fail(Code::not_found, "profile " + choice.profile + ": names no keys");
  }
  const auto* named = std::find_if(named_parts.begin(), named_parts.end(),
                                   [&](const NamedPart& part) { return part.part == choice.part; });
  TRY_ASSIGN(AwsSourcePtr source, named->read(settings));
  if (source) return source;
  return fail(Code::not_found, named->missing);
}

std::vector<std::string> token_files(const AwsSource& source) {
  if (const auto* web = std::get_if<WebIdentityRole>(&source.how)) return {web->token_file};
  if (const auto* role = std::get_if<AssumedRole>(&source.how)) return token_files(*role->base);
  const auto* container = std::get_if<ContainerService>(&source.how);
  if (container == nullptr || container->token_file.empty()) return {};
  return {container->token_file};
}

bool starts_program(const AwsSource& source) {
  if (const auto* role = std::get_if<AssumedRole>(&source.how)) return starts_program(*role->base);
  return std::holds_alternative<KeyProcess>(source.how);
}

Result<AwsSourcePtr> assume(const AwsSettings& settings, const std::string& role_arn,
                            AwsSourcePtr base) {
  if (!role_arn.starts_with("arn:")) return fail(Code::invalid, "--assume-role: not an ARN");
  const std::string session = variable(settings, "AWS_ROLE_SESSION_NAME");
  return make("role " + role_arn,
              AssumedRole{role_arn, session.empty() ? settings.default_session_name : session, "",
                          3600, std::move(base)});
}

std::string configured_region(const AwsSettings& settings, const AwsChoice& choice) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (std::string region = variable(settings, name); !region.empty()) return region;
  const auto profile = settings.profiles.find(profile_name(settings, choice));
  return profile == settings.profiles.end() ? std::string() : profile->second.region;
}

Result<std::vector<std::string>> split_command(std::string_view text) {
  std::vector<std::string> words;
  char quote = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    const bool blank = c == ' ' || c == '\t';
    if (quote == 0 && blank) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    const bool opens = quote == 0 && (c == '\'' || c == '"');
    if (opens || (quote != 0 && c == quote)) {
      quote = opens ? c : '\0';
      continue;
    }
    if (c == '\\' && quote != '\'') {
      if (++i == text.size()) return fail(Code::invalid, "ends with a backslash");
      c = text[i];
    }
    words.back() += c;
  }
  if (quote != 0) return fail(Code::invalid, "a quote has no end");
  if (words.empty()) return fail(Code::invalid, "names no program");
  return words;
}

}  // namespace keyward::identity
