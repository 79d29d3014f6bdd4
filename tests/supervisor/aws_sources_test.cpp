// What the options of a run make of the sources of AWS keys, and how their keys reach the proxy.
#include "supervisor/aws_sources.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "supervisor/own_aws_keys.hpp"
#include "tests/support/http_service.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using tests::HttpService;
using tests::Reply;

namespace {

using Words = std::vector<std::string>;

const SystemClock system_clock;

struct Asked {
  RunOptions options;
  EnvironmentMap environment;
  SecretVariables secrets;

  explicit Asked(Words sources = {}, Words bindings = {}) {
    options.aws_sources = std::move(sources);
    options.aws_bindings = std::move(bindings);
  }
  Result<AwsSourceSettings> settings() const {
    return aws_source_settings(options, environment, secrets, netproxy::ProxySettings());
  }
  std::string problem() const {
    const auto read = settings();
    return read ? "" : read.error().what;
  }
};

Asked one(const std::string& source) { return Asked({"s3=" + source}, {"s3=s3.example.com:443"}); }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Shared files of a test.
struct Files {
  tests::TestDirectory directory;
  std::string credentials = directory / ".aws/credentials", config = directory / ".aws/config";
  Files() { std::filesystem::create_directory(directory / ".aws"); }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(path) << text;
  }
  Asked asked(const std::string& source) const {
    Asked asked = one(source);
    asked.environment["HOME"] = directory.path();
    return asked;
  }
};

constexpr const char* keys_json =
    R"({"AccessKeyId":"ASIAMETA","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"})";

}  // namespace

TEST_CASE("aws sources: nothing is looked up that is not named") {
  Asked none;
  none.environment = {{"AWS_ACCESS_KEY_ID", "AKIA"},
                      {"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"},
                      {"AWS_CONFIG_FILE", "/nowhere"},
                      {"HOME", "/root"}};
  const auto settings = none.settings();
  REQUIRE(settings.has_value());
  CHECK(settings->named.empty());
  CHECK(settings->environment.empty());
  CHECK(files_of(*settings).empty());
  CHECK(aws_secrets_of(none.options).empty());
  CHECK(aws_secrets_of(one("chain").options).size() == 3);
}

TEST_CASE("aws sources: names and where they are bound") {
  Asked two({"a=imds", "b.2=profile:with:colon"},
            {"b.2=*.example.com", "a=s3.example.com:443/bucket/**", "a=[::1]:8443"});
  const auto named = named_aws_sources(two.options);
  REQUIRE_MESSAGE(named.has_value(), named.error().what);
  REQUIRE(named->size() == 2);
  CHECK((*named)[0].provider == "a");
  CHECK((*named)[0].choice.part == identity::AwsPart::instance);
  CHECK((*named)[0].bindings == std::vector<netproxy::EndpointBinding>{
                                    {"s3.example.com", 443, "/bucket/**"}, {"::1", 8443, ""}});
  CHECK((*named)[1].choice.profile == "with:colon");
}

TEST_CASE("aws sources: options that do not fit are refused by name") {
  CHECK(has(Asked({"imds"}).problem(), "--aws-credentials imds: must begin with NAME="));
  CHECK(has(Asked({"=imds"}).problem(), "must begin with NAME="));
  CHECK(has(Asked({"a b=imds"}).problem(), "must begin with NAME="));
  CHECK(has(Asked({"a=ec2"}, {"a=h"}).problem(), "--aws-credentials a=ec2: must be chain,"));
  CHECK(has(Asked({"a=imds", "a=chain"}).problem(), "the name is taken"));
  CHECK(has(Asked({"a=imds"}).problem(), "needs --aws-bind a="));
  CHECK(has(Asked({"a=imds"}, {"b=h"}).problem(), "there is no --aws-credentials b=SOURCE"));
  CHECK(has(Asked({}, {"b=h"}).problem(), "there is no --aws-credentials b=SOURCE"));
  CHECK(has(Asked({"a=imds"}, {"a="}).problem(), "--aws-bind a="));
  CHECK(has(one("web-identity").problem(), "--aws-credentials s3: AWS_WEB_IDENTITY_TOKEN_FILE is"));
  CHECK(has(one("environment").problem(), "are not set"));
  CHECK(one("imds").problem().empty());
}

TEST_CASE("aws sources: what is the supervisor's is not passed on") {
  Asked asked = one("imds");
  asked.environment["AWS_SESSION_TOKEN"] = "x";
  asked.options.environment = {"AWS_SESSION_TOKEN"};
  CHECK(has(asked.problem(), "--env AWS_SESSION_TOKEN: is for --aws-credentials"));
  asked.options.environment = {"AWS_REGION", "AWS_PROFILE=of-the-program", "OTHER"};
  CHECK(asked.problem().empty());
}

TEST_CASE("aws sources: a credential process is refused, wherever it stands") {
  const Files files;
  files.write(files.config,
              "[default]\ncredential_process = /bin/keys\n"
              "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n");
  for (const char* source : {"chain", "profile:default", "profile:role"}) {
    CAPTURE(source);
    CHECK(has(files.asked(source).problem(),
              "credential_process is for the gateway and sigv4-proxy only"));
  }
  // Nor later, when the files say something else than at the start.
  files.write(files.credentials, "[default]\naws_access_key_id=AKIA\naws_secret_access_key=s\n");
  const auto settings = files.asked("profile:default").settings();
  REQUIRE(settings.has_value());
  CHECK(fetch_aws_keys(*settings, settings->named[0], system_clock, {}).has_value());
  files.write(files.credentials, "");
  const auto later = fetch_aws_keys(*settings, settings->named[0], system_clock, {});
  REQUIRE_FALSE(later.has_value());
  CHECK(has(later.error().what, "credential_process is for the gateway"));
}

TEST_CASE("aws sources: what is read is hidden, and nothing else is read") {
  const Files files;
  const std::string token = files.directory / "token", other = files.directory / "other";
  files.write(token, "jwt");
  files.write(other, "jwt");
  const std::string role =
      "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = ";
  files.write(files.config, role + token + "\n");
  const auto settings = files.asked("chain").settings();
  REQUIRE_MESSAGE(settings.has_value(), settings.error().what);
  CHECK(files_of(*settings) == Words{token, files.config});
  files.write(files.config, role + other + "\n");
  const auto moved = fetch_aws_keys(*settings, settings->named[0], system_clock, {});
  REQUIRE_FALSE(moved.has_value());
  CHECK(has(moved.error().what, other + ", which was not hidden"));
  // A file that was not there at the start is not hidden, and stays unread.
  files.write(files.credentials, "[default]\naws_access_key_id=AKIA\naws_secret_access_key=s\n");
  files.write(files.config, "");
  CHECK_FALSE(fetch_aws_keys(*settings, settings->named[0], system_clock, {}).has_value());
  // Shared files are of no concern to sources that do not use them.
  CHECK(files_of(*files.asked("imds").settings()).empty());
  Asked named = one("chain");
  named.environment["AWS_CONFIG_FILE"] = files.directory / "missing";
  CHECK(has(named.problem(), "missing"));
}

TEST_CASE("aws sources: keys of the environment, and of a container's service by its token") {
  Asked asked = one("environment");
  asked.environment["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  asked.secrets["AWS_SECRET_ACCESS_KEY"] = Secret("secret");
  asked.secrets["AWS_SESSION_TOKEN"] = Secret("session");
  auto settings = asked.settings();
  REQUIRE(settings.has_value());
  auto keys = fetch_aws_keys(*settings, settings->named[0], system_clock, {});
  REQUIRE(keys.has_value());
  CHECK(keys->pair.secret_access_key.equals("secret"));
  CHECK(keys->pair.session_token.equals("session"));

  HttpService service([](const std::string& request) {
    return has(request, "Authorization: pod\r\n") ? Reply{200, keys_json} : Reply{401, ""};
  });
  Asked container = one("container");
  container.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] =
      "http://" + service.url().authority() + "/keys";
  container.secrets["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = Secret("pod");
  settings = container.settings();
  REQUIRE(settings.has_value());
  keys = fetch_aws_keys(*settings, settings->named[0], system_clock, {});
  REQUIRE_MESSAGE(keys.has_value(), keys.error().what);
  CHECK(keys->pair.access_key_id == "ASIAMETA");
}

TEST_CASE("own aws keys: in the store with their provider and its places, and why there are none") {
  HttpService service([](const std::string&) { return Reply{503, ""}; });
  Asked asked({"away=container", "here=environment"}, {"away=a.example.com", "here=b.example.com"});
  asked.environment = {
      {"AWS_ACCESS_KEY_ID", "AKIAENV"},
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://" + service.url().authority() + "/keys"}};
  asked.secrets["AWS_SECRET_ACCESS_KEY"] = Secret("secret");
  const auto settings = asked.settings();
  REQUIRE(settings.has_value());
  CredentialStore store;
  const OwnAwsKeys keys(*settings, store, system_clock);
  const auto held = store.get();
  REQUIRE(held->aws.size() == 2);
  CHECK(held->aws[0].provider == "away");
  CHECK(held->aws[0].missing == "their source gives none at the moment");
  CHECK(held->aws[0].keys.access_key_id.empty());
  CHECK(held->aws[1].provider == "here");
  CHECK(held->aws[1].missing.empty());
  CHECK(held->aws[1].keys.access_key_id == "AKIAENV");
  CHECK(held->aws[1].bindings == settings->named[1].bindings);
  CHECK(bound_keys(settings->named[0], nullptr).missing == "their source has not answered yet");
}
