#include <doctest/doctest.h>

#include <string>

#include "identity/aws/chain.hpp"
#include "identity/aws/schedule.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;

namespace {

constexpr const char* credentials_file = R"([default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = secret # a comment
region = from-credentials

; another comment
[ base ]
aws_access_key_id=AKIABASE
aws_secret_access_key=s#cret;
aws_session_token=token
)";

constexpr const char* config_file = R"([default]
region = eu-central-1
aws_access_key_id = IGNORED
s3 =
  max_concurrent_requests = 20
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = base
external_id = ext
duration_seconds = 900
[profile self]
role_arn = arn:aws:iam::1:role/self
source_profile = self
aws_access_key_id = AKIASELF
aws_secret_access_key = s
[profile circle]
role_arn = arn:aws:iam::1:role/a
source_profile = circle2
[profile circle2]
role_arn = arn:aws:iam::1:role/b
source_profile = circle
[profile web]
role_arn = arn:aws:iam::1:role/w
web_identity_token_file = /var/run/token
[profile process]
credential_process = /opt/bin/keys --for "some one"
[profile half]
aws_access_key_id = AKIAHALF
[profile sso]
sso_session = company
[profile long]
role_arn = arn:aws:iam::1:role/r
source_profile = base
duration_seconds = 99999
[sso-session company]
sso_region = us-east-1
)";

struct Configured {
  EnvironmentMap environment;
  SecretVariables secrets;
  AwsProfiles profiles;

  explicit Configured(EnvironmentMap variables = {}, bool with_files = true)
      : environment(std::move(variables)) {
    environment.emplace("AWS_EC2_METADATA_DISABLED", "true");
    if (!with_files) return;
    REQUIRE(
        parse_shared_file(credentials_file, SharedFile::credentials, "c", profiles).has_value());
    REQUIRE(parse_shared_file(config_file, SharedFile::config, "f", profiles).has_value());
  }
  AwsSettings settings() const { return {environment, secrets, profiles, "session"}; }
  Result<AwsSourcePtr> source() const { return choose_source(settings()); }
  std::string name() const {
    const auto chosen = source();
    return chosen ? (*chosen)->name : "error: " + chosen.error().what;
  }
};

Configured with_profile(const std::string& name) {
  return Configured(EnvironmentMap{{"AWS_PROFILE", name}});
}

}  // namespace

TEST_CASE("aws chain: the shared files") {
  const Configured configured;
  const AwsProfile& standard = configured.profiles.at("default");
  CHECK(standard.access_key_id == "AKIADEFAULT");
  CHECK(standard.secret_access_key.equals("secret"));
  CHECK(standard.region == "from-credentials");  // the file that was read first
  CHECK(configured.profiles.at("base").secret_access_key.equals("s#cret;"));
  CHECK_FALSE(configured.profiles.contains("sso-session company"));
  CHECK_FALSE(configured.profiles.contains("profile role"));
}

TEST_CASE("aws chain: malformed shared files name the line and quote nothing") {
  for (const char* text : {"[default\nx=1\n", "aws_secret_access_key = hidden\n",
                           "[default]\naws_secret_access_key hidden\n"}) {
    AwsProfiles profiles;
    const auto read = parse_shared_file(text, SharedFile::credentials, "file", profiles);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().what.starts_with("file:"));
    CHECK(read.error().what.find("hidden") == std::string::npos);
  }
}

TEST_CASE("aws chain: order") {
  Configured all(EnvironmentMap{{"AWS_ACCESS_KEY_ID", "AKIAENV"},
                                {"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"},
                                {"AWS_ROLE_ARN", "arn:aws:iam::1:role/e"},
                                {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1"}});
  all.secrets["AWS_SECRET_ACCESS_KEY"] = Secret("s");
  CHECK(all.name() == "environment");
  all.environment.erase("AWS_ACCESS_KEY_ID");
  CHECK(all.name().starts_with("error: AWS_ACCESS_KEY_ID and"));
  all.secrets.clear();
  CHECK(all.name() == "profile default");
  all.profiles.clear();
  CHECK(all.name() == "web identity of arn:aws:iam::1:role/e");
  all.environment.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  CHECK(all.name() == "container");
  all.environment.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  CHECK(all.name() == "error: no source of AWS credentials is configured");
  all.environment["AWS_EC2_METADATA_DISABLED"] = "false";
  CHECK(all.name() == "instance");
}

TEST_CASE("aws chain: profiles") {
  CHECK(with_profile("process").name() == "credential_process of profile process");
  CHECK(with_profile("web").name() == "web identity of profile web");
  CHECK(with_profile("missing").name() == "error: profile missing is not in the shared files");
  CHECK(with_profile("half").name() == "error: profile half: has half of a key pair");
  CHECK(with_profile("sso").name().starts_with("error: profile sso: SSO"));
  CHECK(with_profile("circle").name().find("circle") != std::string::npos);
  CHECK(with_profile("circle").name().starts_with("error: "));
  CHECK(with_profile("long").name().starts_with("error: profile long: duration_seconds"));

  const auto role = with_profile("role").source();
  REQUIRE(role.has_value());
  const auto& assumed = std::get<AssumedRole>((*role)->how);
  CHECK(assumed.external_id == "ext");
  CHECK(assumed.duration_seconds == 900);
  CHECK(assumed.session_name == "session");
  CHECK(assumed.base->name == "profile base");
  const auto self = with_profile("self").source();
  REQUIRE(self.has_value());
  CHECK(std::get<AssumedRole>((*self)->how).base->name == "profile self");
}

TEST_CASE("aws chain: an operator names one part, and gets no other") {
  Configured all(EnvironmentMap{{"AWS_ACCESS_KEY_ID", "AKIAENV"},
                                {"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"},
                                {"AWS_ROLE_ARN", "arn:aws:iam::1:role/e"},
                                {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1"}});
  all.secrets["AWS_SECRET_ACCESS_KEY"] = Secret("s");
  all.environment["AWS_EC2_METADATA_DISABLED"] = "false";
  const auto name_of = [&all](const char* text) {
    const auto choice = parse_aws_choice(text);
    REQUIRE_MESSAGE(choice.has_value(), text);
    const auto source = choose_source(all.settings(), *choice);
    return source ? (*source)->name : "error: " + source.error().what;
  };
  CHECK(name_of("chain") == "environment");
  CHECK(name_of("environment") == "environment");
  CHECK(name_of("profile:base") == "profile base");
  CHECK(name_of("web-identity") == "web identity of arn:aws:iam::1:role/e");
  CHECK(name_of("container") == "container");
  CHECK(name_of("imds") == "instance");
  all.environment = {{"AWS_EC2_METADATA_DISABLED", "true"}, {"AWS_PROFILE", "base"}};
  all.secrets.clear();
  all.profiles["bare"].region = "eu-west-1";
  for (const char* text : {"environment", "web-identity", "container", "imds", "profile:bare"}) {
    CAPTURE(text);
    CHECK(name_of(text).starts_with("error: "));
  }
  CHECK(name_of("profile:nobody") == "error: profile nobody is not in the shared files");
  CHECK(configured_region(all.settings(), *parse_aws_choice("profile:bare")) == "eu-west-1");
}

TEST_CASE("aws chain: what is no name of a part") {
  for (const char* text :
       {"", "Chain", "profile", "profile:", "instance", "web_identity", "imds,chain", " chain"})
    CHECK_FALSE(parse_aws_choice(text).has_value());
  CHECK(parse_aws_choice("profile:a b:c")->profile == "a b:c");
}

TEST_CASE("aws chain: which files and programs a source needs") {
  const auto files = [](const Configured& configured) {
    const auto source = configured.source();
    REQUIRE(source.has_value());
    return token_files(**source);
  };
  using Files = std::vector<std::string>;
  CHECK(files(with_profile("base")).empty());
  CHECK(files(with_profile("web")) == Files{"/var/run/token"});
  Configured nested = with_profile("outer");
  nested.profiles["outer"].role_arn = "arn:aws:iam::1:role/o";
  nested.profiles["outer"].source_profile = "web";
  CHECK(files(nested) == Files{"/var/run/token"});
  CHECK_FALSE(starts_program(**nested.source()));
  nested.profiles["outer"].source_profile = "process";
  CHECK(starts_program(**nested.source()));
  CHECK(starts_program(**with_profile("process").source()));
  CHECK(files(Configured(EnvironmentMap{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/"},
                                        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod"}},
                         false)) == Files{"/pod"});
}

TEST_CASE("aws chain: a token goes without TLS to known places only") {
  const auto container = [](const std::string& uri) {
    return Configured(EnvironmentMap{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri}}, false).name();
  };
  CHECK(container("http://169.254.170.23/v1/credentials") == "container");
  CHECK(container("http://[fd00:ec2::23]/v1/credentials") == "container");
  CHECK(container("http://127.0.0.1:8181/creds") == "container");
  CHECK(container("https://keys.example.com/creds") == "container");
  CHECK(container("http://keys.example.com/creds").starts_with("error: "));
  CHECK(container("http://169.254.169.254/creds").starts_with("error: "));
  CHECK(container("file:///etc/passwd").starts_with("error: "));
}

TEST_CASE("aws chain: regions") {
  CHECK(configured_region(Configured().settings()) == "from-credentials");
  CHECK(configured_region(Configured(EnvironmentMap{{"AWS_DEFAULT_REGION", "b"}}).settings()) ==
        "b");
  CHECK(
      configured_region(Configured(EnvironmentMap{{"AWS_REGION", "a"}, {"AWS_DEFAULT_REGION", "b"}})
                            .settings()) == "a");
  CHECK(configured_region(Configured(EnvironmentMap{}, false).settings()).empty());
}

TEST_CASE("aws chain: command lines") {
  const auto split = split_command(R"(/a/b  --x "one two" 'a"b' c\ d "")");
  REQUIRE(split.has_value());
  CHECK(*split == std::vector<std::string>{"/a/b", "--x", "one two", "a\"b", "c d", ""});
  for (const char* text : {"", "   ", "/a 'b", "/a \"b", "/a \\"})
    CHECK_FALSE(split_command(text).has_value());
}

TEST_CASE("aws schedule: keys are renewed before they end") {
  CHECK(renewal_delay(std::nullopt, 60s, 0.5) == 60s);
  CHECK(renewal_delay(1h, 60s, 0.5) == 2832s);
  CHECK(renewal_delay(30s, 60s, 0.5) == 10s);
  CHECK(renewal_delay(4s, 60s, 0.5) == 4s);
  CHECK(renewal_delay(0s, 60s, 0.5) == 1s);
}

TEST_CASE("aws schedule: a source that fails is asked again, soon where nothing can be signed") {
  CHECK(retry_renewal_delay(1, std::nullopt, false, 0.5) == 10s);
  CHECK(retry_renewal_delay(9, std::nullopt, false, 0.5) == 30s);
  CHECK(retry_renewal_delay(9, -5s, true, 0.5) == 30s);  // they have ended
  CHECK(retry_renewal_delay(9, std::nullopt, true, 0.5) == 5min);
  CHECK(retry_renewal_delay(9, 1h, true, 0.5) == 5min);
  CHECK(retry_renewal_delay(9, 4s, true, 0.5) == 2s);
}
