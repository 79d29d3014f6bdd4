#pragma once
// A session of the supervisor against a fake gateway on loopback.  What a fake's answers use is
// declared before the fixture: its handlers end with it.

#include <chrono>
#include <functional>
#include <thread>

#include "supervisor/gateway_session.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

namespace keyward::supervisor {

using namespace std::chrono_literals;
using tests::Call;
using tests::FakeGateway;
using tests::fresh_token;

inline const SystemClock system_time;

// Bounded: a state that never comes fails the test instead of hanging it.
inline bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(20ms);
  }
  return condition();
}

inline void add_endpoint(tests::sandbox_v1::GetSandboxConfigResponse& response,
                         const std::string& host) {
  response.mutable_policy()->set_version(1);
  auto* endpoint = (*response.mutable_policy()->mutable_network_policies())["rule"].add_endpoints();
  endpoint->set_host(host);
  endpoint->set_port(443);
  endpoint->set_protocol("rest");
  endpoint->set_access("full");
  endpoint->set_enforcement("enforce");
}

inline void add_aws(tests::v1::GetSandboxProviderEnvironmentResponse& response,
                    const std::string& secret) {
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
    (*response.mutable_environment())[name] = secret;
    auto& binding = (*response.mutable_static_credential_bindings())[name];
    binding.set_credential_identity("prod:" + std::string(name));
    binding.add_endpoints()->set_host("s3.example.com");
  }
}

struct SessionFixture {
  FakeGateway gateway;
  tests::TestDirectory directory;
  Snapshot<netproxy::Policy> policy;
  CredentialStore credentials;
  TokenGrants grants{TokenGrantSettings{}, system_time};
  GatewaySettings settings;
  // What the fake gateway says; guarded by gateway.mutex.
  std::string host = "a.example.com", failure_mode, protocol_override;
  std::uint64_t config_revision = 1, environment_revision = 1;
  grpc::Status status = grpc::Status::OK;
  int environment_failures = 0;

  SessionFixture() {
    settings.endpoint.url = gateway.url();
    settings.poll_seconds = 1;
    settings.control_socket = directory / "control/control.sock";
    gateway.config = [this](const Call&, auto& response) {
      add_endpoint(response, host);
      if (!protocol_override.empty())
        (*response.mutable_policy()->mutable_network_policies())["rule"]
            .mutable_endpoints(0)
            ->set_protocol(protocol_override);
      response.set_version(static_cast<std::uint32_t>(config_revision));
      response.set_policy_hash(host);
      response.set_config_revision(config_revision);
      response.set_provider_env_revision(environment_revision);
      response.set_policy_validation_failure_mode(failure_mode);
      return status;
    };
    gateway.environment = [this](const Call&, auto& response) {
      if (environment_failures > 0) {
        --environment_failures;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not yet");
      }
      add_aws(response, "secret-" + std::to_string(environment_revision));
      (*response.mutable_environment())["AWS_REGION"] = "eu-central-1";
      response.add_non_secret_environment_keys("AWS_REGION");
      response.set_provider_env_revision(environment_revision);
      return status;
    };
  }
  Result<std::unique_ptr<GatewaySession>> start(Secret token = fresh_token()) {
    return GatewaySession::start(
        {settings, std::move(token), policy, credentials, grants, system_time});
  }
  template <class Change>
  void change(const Change& apply) {
    const std::lock_guard lock(gateway.mutex);
    apply();
  }
  bool allows(const std::string& name) const {
    const auto current = policy.get();
    return current && current->decide_connect({name, 443}, {}).allowed;
  }
  // What a client reads of the refusal; empty: there is no closed policy.
  std::string closed_for() const {
    const auto current = policy.get();
    if (!current || !current->is_closed()) return {};
    const auto verdict = current->decide_request({"a.example.com", 443}, "GET", "/", {});
    CHECK(verdict.denial == netproxy::Denial::no_policy);
    CHECK(current->decide_connect({"a.example.com", 443}, {}).detail == verdict.detail);
    return verdict.detail;
  }
  bool holds(const std::string& secret) const {
    const auto current = credentials.get();
    return current && current->aws.size() == 1 &&
           current->aws[0].keys.secret_access_key.equals(secret);
  }
};

}  // namespace keyward::supervisor
