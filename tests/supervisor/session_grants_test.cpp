// Token grants of a sandbox as its gateway session takes them.
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "supervisor/gateway_session.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using namespace std::chrono_literals;
using tests::Call;

TEST_CASE("session grants: they come, cannot be read, go, and close with the authority") {
  const SystemClock clock;
  std::string key = "api.example.com\t443\t/**\tidp:token";
  std::uint64_t revision = 1;
  bool present = true;
  std::string allowed;  // by the policy
  grpc::Status status = grpc::Status::OK, environment_status = grpc::Status::OK;
  tests::FakeGateway gateway;  // after what its answers use
  const tests::TestDirectory directory;
  Snapshot<netproxy::Policy> policy;
  CredentialStore credentials;
  TokenGrants grants(TokenGrantSettings{}, clock);
  gateway.config = [&](const Call&, auto& response) {
    response.mutable_policy()->set_version(1);
    response.set_version(1);
    response.set_policy_hash(allowed);
    if (!allowed.empty()) {
      auto& rule = (*response.mutable_policy()->mutable_network_policies())["rule"];
      rule.add_endpoints()->set_host(allowed);
      rule.mutable_endpoints(0)->set_port(443);
      rule.mutable_endpoints(0)->set_enforcement("enforce");
    }
    response.set_provider_env_revision(revision);
    return status;
  };
  gateway.environment = [&](const Call&, auto& response) {
    response.set_provider_env_revision(revision);
    if (!present) return environment_status;
    auto& credential = (*response.mutable_dynamic_credentials())[key];
    credential.set_name("token");
    credential.mutable_token_grant()->set_token_endpoint("https://idp.example.com/token");
    return grpc::Status::OK;
  };
  const auto change = [&](const std::function<void()>& apply) {
    const std::lock_guard lock(gateway.mutex);
    apply();
    ++revision;
  };
  const auto is_open = [&](const std::string& host) {
    const auto answer = grants.injection_for({host, 443, "/x", true}, [](const auto&) {});
    return answer && answer->has_value();
  };
  const auto becomes = [&](const std::string& host, bool open) {
    for (int i = 0; i < 1500 && is_open(host) != open; ++i) std::this_thread::sleep_for(20ms);
    return is_open(host) == open;
  };
  GatewaySettings settings;
  settings.endpoint.url = gateway.url();
  settings.poll_seconds = 1;
  settings.control_socket = directory / "control/control.sock";
  const auto session =
      GatewaySession::start({settings, tests::fresh_token(), policy, credentials, grants, clock});
  REQUIRE_MESSAGE(session.has_value(), (session ? "" : session.error().what));
  CHECK(grants.binds("api.example.com", 443));
  CHECK_FALSE(is_open("api.example.com"));  // no agent is configured
  CHECK(is_open("a.example.com"));

  change([&] { key = "malformed"; });
  CHECK(becomes("a.example.com", false));
  change([&] { present = false; });
  CHECK(becomes("a.example.com", true));
  CHECK(is_open("api.example.com"));
  // Both change and one cannot be fetched: the policy holds, and nothing goes out without a token.
  change([&] {
    environment_status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "not yet");
    allowed = "later.example.com";
  });
  CHECK(becomes("a.example.com", false));
  const auto holds = [&] {
    return policy.get()->decide_connect({"later.example.com", 443}, {}).allowed;
  };
  for (int i = 0; i < 1500 && !holds(); ++i) std::this_thread::sleep_for(20ms);
  CHECK(holds());
  change([&] { environment_status = grpc::Status::OK; });
  CHECK(becomes("a.example.com", true));
  change([&] { status = grpc::Status(grpc::StatusCode::NOT_FOUND, "sandbox not found"); });
  CHECK(becomes("a.example.com", false));
  change([&] { status = grpc::Status::OK; });
  CHECK(becomes("a.example.com", true));
}

// Its gateway answers as many questions for the environment as it may, and lets the next one wait.
struct Revisions {
  Revisions() {
    gateway.config = [this](const Call&, auto& response) {
      response.mutable_policy()->set_version(1);
      response.set_version(1);
      response.set_provider_env_revision(revision);
      return grpc::Status::OK;
    };
    gateway.environment = [this](const Call&, auto& response) {
      const int question = ++asked;
      for (int i = 0; i < 4000 && question > allowed; ++i) std::this_thread::sleep_for(2ms);
      if (status != grpc::StatusCode::OK) return grpc::Status(status, "provider idp: no");
      response.set_provider_env_revision(revision);
      auto& credential =
          (*response.mutable_dynamic_credentials())["api.example.com\t443\t\tidp:token"];
      credential.set_name("token");
      credential.mutable_token_grant()->set_token_endpoint("https://idp.example.com/token");
      for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
        (*response.mutable_environment())[name] = "key";
        auto& binding = (*response.mutable_static_credential_bindings())[name];
        binding.set_credential_identity("aws:" + std::string(name));
        binding.add_endpoints()->set_host("s3.example.com");
        binding.mutable_endpoints(0)->set_port(443);
      }
      return grpc::Status::OK;
    };
    settings.endpoint.url = gateway.url();
    settings.poll_seconds = 1;
    settings.control_socket = directory / "control/control.sock";
    auto started =
        GatewaySession::start({settings, tests::fresh_token(), policy, credentials, grants, clock});
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().what));
    session = std::move(*started);
  }
  // The gateway has others, and gives `code` to so many questions for them.
  void change(grpc::StatusCode code, int answers) {
    allowed = asked + answers;
    status = code;
    ++revision;
  }
  bool is_open() {
    const auto answer =
        grants.injection_for({"a.example.com", 443, "/x", true}, [](const auto&) {});
    return answer && answer->has_value();
  }
  bool has_keys() { return !credentials.get()->aws.empty(); }
  static bool comes(const std::function<bool()>& ready) {
    for (int i = 0; i < 1500 && !ready(); ++i) std::this_thread::sleep_for(20ms);
    return ready();
  }

  const SystemClock clock;
  std::atomic<std::uint64_t> revision{1};
  std::atomic<grpc::StatusCode> status{grpc::StatusCode::OK};
  std::atomic<int> asked{0}, allowed{1};
  tests::FakeGateway gateway;  // after what its answers use
  const tests::TestDirectory directory;
  Snapshot<netproxy::Policy> policy;
  CredentialStore credentials;
  TokenGrants grants{TokenGrantSettings{}, clock};
  GatewaySettings settings;
  std::unique_ptr<GatewaySession> session;
};

TEST_CASE_FIXTURE(Revisions, "session grants: what cannot be had any more is not used") {
  CHECK(is_open());
  CHECK(has_keys());
  change(grpc::StatusCode::FAILED_PRECONDITION, 1);
  CHECK(comes([this] { return !is_open(); }));
  CHECK_FALSE(has_keys());
  CHECK(grants.binds("any.example.com", 443));
  status = grpc::StatusCode::OK;
  allowed = 1000;
  CHECK(comes([this] { return is_open() && has_keys(); }));
}

TEST_CASE_FIXTURE(Revisions, "session grants: what cannot be had now is used until the next poll") {
  const int before = asked;
  change(grpc::StatusCode::UNAVAILABLE, 1);
  REQUIRE(comes([&] { return asked == before + 2; }));  // the first answer was taken
  CHECK(is_open());
  CHECK(has_keys());
  allowed = before + 2;
  CHECK(comes([this] { return !is_open(); }));
  CHECK_FALSE(has_keys());
  // The gateway takes the change back: that is as new as any other.
  status = grpc::StatusCode::OK;
  --revision;
  allowed = 1000;
  CHECK(comes([this] { return is_open() && has_keys(); }));
}
