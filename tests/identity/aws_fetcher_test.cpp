#include "identity/aws/fetcher.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "identity/aws/keeper.hpp"
#include "tests/support/http_service.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using tests::Reply;
using Service = tests::HttpService;

namespace {

constexpr const char* good_sts =
    "<R><S><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    "<SessionToken>role-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></S></R>";
constexpr const char* good_json =
    R"({"AccessKeyId":"ASIAMETA","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"})";

const SystemClock system_clock;

Result<AwsKeys> fetch(const AwsSource& source, const std::string& sts = "", RunProcess run = {}) {
  FetcherSettings settings;
  settings.region = "eu-central-1";
  settings.sts_endpoint = sts;
  settings.http.deadline = std::chrono::seconds(20);
  return KeyFetcher(settings, std::move(run), system_clock).fetch(source);
}

AwsSourcePtr static_source() {
  return std::make_shared<const AwsSource>(
      AwsSource{"base", StaticKeys{"AKIABASE", Secret("base-secret"), Secret("base-token")}});
}

std::string endpoint(const Service& service) { return "http://" + service.url().authority(); }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("aws fetcher: AssumeRole is signed with the base keys") {
  Service sts([](const std::string&) { return Reply{200, good_sts}; });
  const AwsSource source{"role r",
                         AssumedRole{"arn:aws:iam::1:role/r x", "me", "ext", 900, static_source()}};
  const auto keys = fetch(source, endpoint(sts));
  REQUIRE(keys.has_value());
  CHECK(keys->pair.access_key_id == "ASIAROLE");
  CHECK(keys->source == "role r");
  const std::string request = sts.requests().at(0);
  CHECK(request.starts_with("POST / HTTP/1.1\r\n"));
  CHECK(has(request, "Credential=AKIABASE/"));
  CHECK(has(request, "/eu-central-1/sts/aws4_request"));
  CHECK(has(request, "X-Amz-Security-Token: base-token"));
  CHECK(has(request, "Content-Type: application/x-www-form-urlencoded"));
  CHECK(has(request,
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr%20x&RoleSessionName=me&DurationSeconds=900&"
            "ExternalId=ext"));
  CHECK_FALSE(has(request, "base-secret"));
}

TEST_CASE("aws fetcher: a web identity's token is the credential") {
  const tests::TestDirectory directory;
  const std::string path = directory.path() + "/token";
  std::ofstream(path) << "jwt.with.dots\n";
  Service sts([](const std::string&) { return Reply{200, good_sts}; });
  const AwsSource source{"web", WebIdentityRole{"arn:aws:iam::1:role/r", path, "me"}};
  REQUIRE(fetch(source, endpoint(sts)).has_value());
  const std::string request = sts.requests().at(0);
  CHECK(has(request, "Action=AssumeRoleWithWebIdentity"));
  CHECK(has(request, "WebIdentityToken=jwt.with.dots"));
  CHECK_FALSE(has(request, "Authorization"));
  std::ofstream(path) << "two\nlines\r\n";
  CHECK_FALSE(fetch(source, endpoint(sts)).has_value());
}

TEST_CASE("aws fetcher: refusals of STS keep their reason and no secret") {
  Service sts([](const std::string&) {
    return Reply{403,
                 "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></"
                 "ErrorResponse>"};
  });
  const AwsSource source{"role r", AssumedRole{"arn:x", "me", "", 3600, static_source()}};
  const auto keys = fetch(source, endpoint(sts));
  REQUIRE_FALSE(keys.has_value());
  CHECK(keys.error().what == "role r: STS answered 403: AccessDenied: no");
  CHECK_FALSE(fetch(source, "http://sts.example.com").has_value());  // never without TLS
}

TEST_CASE("aws fetcher: container service") {
  Service service([](const std::string& request) {
    return has(request, "Authorization: container-token\r\n") ? Reply{200, good_json}
                                                              : Reply{401, ""};
  });
  const tests::TestDirectory directory;
  const std::string path = directory.path() + "/token";
  std::ofstream(path) << "container-token";
  CHECK(fetch({"container", ContainerService{service.url("/creds"), path, Secret()}}).has_value());
  CHECK(fetch({"container", ContainerService{service.url("/creds"), "", Secret("container-token")}})
            .has_value());
  const auto refused =
      fetch({"container", ContainerService{service.url("/creds"), "", Secret("other")}});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().what == "container: answered 401");
}

TEST_CASE("aws fetcher: instance service, version 2 only") {
  const auto imds = [](const std::string& roles) {
    return [roles](const std::string& request) {
      if (request.starts_with("PUT /latest/api/token HTTP/1.1\r\n") &&
          has(request, "X-aws-ec2-metadata-token-ttl-seconds: 300"))
        return Reply{200, "session"};
      if (!has(request, "X-aws-ec2-metadata-token: session")) return Reply{401, ""};
      if (request.starts_with("GET /latest/meta-data/iam/security-credentials/ "))
        return Reply{200, roles};
      if (request.starts_with("GET /latest/meta-data/iam/security-credentials/my-role "))
        return Reply{200, good_json};
      return Reply{404, ""};
    };
  };
  Service good(imds("my-role\n"));
  CHECK(fetch({"instance", InstanceService{good.url()}}).has_value());
  for (const char* role : {"", "../../user-data", "a b", "other"}) {
    CAPTURE(role);
    Service service(imds(role));
    CHECK_FALSE(fetch({"instance", InstanceService{service.url()}}).has_value());
  }
  Service old([](const std::string&) { return Reply{405, ""}; });
  CHECK_FALSE(fetch({"instance", InstanceService{old.url()}}).has_value());
  CHECK(old.requests().size() == 1);
}

TEST_CASE("aws fetcher: credential processes and keys that have ended") {
  const auto printing = [](const char* text) {
    return [text](const std::vector<std::string>&) -> Result<Secret> { return Secret(text); };
  };
  const AwsSource source{"process", KeyProcess{{"/bin/keys"}}};
  CHECK(fetch(source, "", printing(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"})"))
            .has_value());
  const auto ended = fetch(
      source, "",
      printing(
          R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"2001-01-01T00:00:00Z"})"));
  REQUIRE_FALSE(ended.has_value());
  CHECK(ended.error().what == "process: gives keys that ended at 2001-01-01T00:00:00.000Z");
  CHECK_FALSE(fetch(source).has_value());
}

TEST_CASE("aws keeper: a failure leaves the keys that are held") {
  std::mutex mutex;
  bool works = true;
  int successes = 0, failures = 0;
  Snapshot<AwsKeyState> state;
  const auto deps = [&]() {
    return KeeperDeps{[&](const std::stop_token&) -> Result<AwsKeys> {
                        const std::lock_guard lock(mutex);
                        if (!works) return fail(Code::unavailable, "source: away");
                        return AwsKeys{{"AKIA", Secret("s"), {}},
                                       system_clock.now() + std::chrono::hours(1),
                                       "test"};
                      },
                      state, system_clock, std::chrono::milliseconds(0),
                      [&](bool succeeded) { ++(succeeded ? successes : failures); }};
  };
  {
    const KeyKeeper keeper(deps());
  }
  REQUIRE(state.get()->keys != nullptr);
  CHECK(state.get()->problem.empty());
  works = false;
  {
    const KeyKeeper keeper(deps());
  }
  CHECK(state.get()->keys != nullptr);
  CHECK(state.get()->problem == "source: away");
  CHECK(successes == 1);
  CHECK(failures == 1);
}

TEST_CASE("aws keeper: nobody waits for a source longer than wanted, nor at the end") {
  Snapshot<AwsKeyState> state;
  std::atomic<bool> was_stopped = false, told = false;
  {
    const KeyKeeper keeper({[&](const std::stop_token& stop) -> Result<AwsKeys> {
                              while (!stop.stop_requested())
                                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                              was_stopped = true;
                              return fail(Code::unavailable, "given up");
                            },
                            state, system_clock, std::chrono::milliseconds(0),
                            [&](bool) { told = true; }, std::chrono::milliseconds(20)});
    CHECK(state.get() == nullptr);
  }
  CHECK(was_stopped);
  CHECK_FALSE(told);
  CHECK(state.get() == nullptr);
}

TEST_CASE("aws keeper: whoever is told finds it in the state") {
  Snapshot<AwsKeyState> state;
  std::string found;
  {
    const KeyKeeper keeper({[](const std::stop_token&) -> Result<AwsKeys> {
                              return AwsKeys{{"AKIA", Secret("s"), {}}, std::nullopt, "test"};
                            },
                            state, system_clock, std::chrono::milliseconds(0),
                            [&](bool) { found = state.get()->keys->pair.access_key_id; },
                            std::chrono::minutes(1)});
    CHECK(state.get() != nullptr);
  }
  CHECK(found == "AKIA");
}
