// The client against a real server on loopback.
#include "identity/rpc/gateway_client.hpp"

#include <atomic>
#include <thread>

#include "gateway/certgen/certificates.hpp"
#include "tests/support/fake_gateway.hpp"

using namespace keyward;
using namespace keyward::identity;
using tests::Call;
using tests::FakeGateway;
using tests::fresh_token;
using tests::held;

namespace {

const grpc::Status unauthenticated(grpc::StatusCode::UNAUTHENTICATED, "invalid token");

std::unique_ptr<GatewayClient> client_for(const GatewayEndpoint& endpoint, const TokenSlot& slot) {
  auto client = GatewayClient::connect(endpoint, slot);
  REQUIRE(client.has_value());
  return std::move(*client);
}

TimePoint now() { return SystemClock().now(); }

std::shared_ptr<grpc::ServerCredentials> server_credentials(const gateway::CertifiedKey& leaf) {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({std::string(leaf.key_pem.reveal()), leaf.certificate_pem});
  return grpc::SslServerCredentials(options);
}

}  // namespace

TEST_CASE("gateway client: config, with the token and its policy") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  std::string seen;
  gateway.config = [&](const Call& call, auto& response) {
    seen = call.token;
    response.set_version(3);
    response.set_policy_hash("abc");
    response.set_config_revision(18446744073709551615ULL);
    response.mutable_policy()->set_version(1);
    response.set_policy_validation_failure_mode("retain_last_valid");
    return grpc::Status::OK;
  };
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  const auto config = client->get_sandbox_config(tests::sandbox_id);
  REQUIRE(config.has_value());
  CHECK(seen == slot.get()->bearer.reveal());
  CHECK(config->version == 3);
  CHECK(config->config_revision == 18446744073709551615ULL);
  CHECK(config->has_policy);
  CHECK(config->retain_last_valid);
}

TEST_CASE("gateway client: a policy that cannot be served is said, not dropped") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  gateway.config = [&](const Call&, auto& response) {
    auto& rule = (*response.mutable_policy()->mutable_network_policies())["a"];
    auto* endpoint = rule.add_endpoints();
    endpoint->set_host("a.example.com");
    endpoint->set_port(443);
    endpoint->set_protocol("websocket");
    return grpc::Status::OK;
  };
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  const auto config = client->get_sandbox_config(tests::sandbox_id);
  REQUIRE(config.has_value());
  CHECK(config->has_policy);
  CHECK_FALSE(config->policy_problem.empty());
}

TEST_CASE("gateway client: a policy with what is not known here is said, wherever in it that is") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  const auto later = [](google::protobuf::Message* message) {
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(1000, 1);
  };
  std::atomic<const char*> problem = "";
  gateway.config = [&](const Call&, auto& response) {
    const std::string_view place = problem.load();
    auto& policy = *response.mutable_policy();
    policy.set_version(1);
    auto* endpoint = (*policy.mutable_network_policies())["a"].add_endpoints();
    endpoint->set_host("a.example.com");
    endpoint->set_port(443);
    if (place == "in the policy") later(&policy);
    if (place == "in an endpoint") later(endpoint);
    if (place == "tls") endpoint->set_tls("of-the-future");
    if (place == "landlock") policy.mutable_landlock()->set_compatibility("of-the-future");
    return grpc::Status::OK;
  };
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  CHECK(client->get_sandbox_config(tests::sandbox_id)->policy_problem.empty());
  for (const char* each : {"in the policy", "in an endpoint", "tls", "landlock"}) {
    CAPTURE(each);
    problem = each;
    CHECK_FALSE(client->get_sandbox_config(tests::sandbox_id)->policy_problem.empty());
  }
}

TEST_CASE("gateway client: a call is repeated once when its token was replaced meanwhile") {
  FakeGateway gateway;
  TokenSlot slot(held(fresh_token()));
  const auto next = held(fresh_token());
  std::atomic<int> calls{0};
  SUBCASE("replaced") {
    gateway.config = [&](const Call& call, auto&) {
      if (++calls == 1) slot.set(next);
      return call.token == next->bearer.reveal() ? grpc::Status::OK : unauthenticated;
    };
    const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
    CHECK(client->get_sandbox_config(tests::sandbox_id).has_value());
    CHECK(calls.load() == 2);
  }
  SUBCASE("not replaced") {
    gateway.config = [&](const Call&, auto&) { return ++calls, unauthenticated; };
    const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
    const auto config = client->get_sandbox_config(tests::sandbox_id);
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().grpc_code == grpc_unauthenticated);
    CHECK(calls.load() == 1);
  }
}

TEST_CASE("gateway client: refresh carries its id") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  const Secret next = fresh_token();
  std::string id;
  gateway.refresh = [&](const Call& call, auto& response) {
    id = call.refresh_id;
    response.set_token(std::string(next.reveal()));
    response.set_expires_at_ms(42);
    return grpc::Status::OK;
  };
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  const auto refreshed = client->refresh("the-id");
  REQUIRE(refreshed.has_value());
  CHECK(id == "the-id");
  CHECK(refreshed->token.equals(next.reveal()));
  CHECK(refreshed->expires.time_since_epoch().count() == 42);
}

TEST_CASE("gateway client: a gateway's text is shown as one printable line") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  gateway.config = [](const Call&, auto&) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                        "a\nb\x1b[31m" + std::string(2000, 'x'));
  };
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  const auto config = client->get_sandbox_config(tests::sandbox_id);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().grpc_code == 7);
  CHECK(config.error().message.starts_with("a?b?[31m"));
  CHECK(config.error().message.size() <= 300);
}

TEST_CASE("gateway client: TLS trusts the given CA and nothing else") {
  const auto ca = gateway::make_ca(now()).value();
  const auto leaf = gateway::make_server(ca, {"127.0.0.1", "gw.example"}, now()).value();
  const auto named = gateway::make_server(ca, {"gw.example"}, now()).value();
  const TokenSlot slot(held(fresh_token()));
  SUBCASE("right CA") {
    FakeGateway gateway(server_credentials(leaf));
    const auto client = client_for({gateway.url("https"), ca.certificate_pem, "", "", ""}, slot);
    CHECK(client->get_sandbox_config(tests::sandbox_id).has_value());
  }
  SUBCASE("another CA") {
    FakeGateway gateway(server_credentials(leaf));
    const std::string other = gateway::make_ca(now()).value().certificate_pem;
    const auto client = client_for({gateway.url("https"), other, "", "", ""}, slot);
    const auto config = client->get_sandbox_config(tests::sandbox_id);
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().grpc_code == grpc_unavailable);
    CHECK(config.error().lasting);
    CHECK(config.error().message.find("OPENSHELL_TLS_CA") != std::string::npos);
  }
  SUBCASE("another name") {
    FakeGateway gateway(server_credentials(named));
    const auto client = client_for({gateway.url("https"), ca.certificate_pem, "", "", ""}, slot);
    const auto config = client->get_sandbox_config(tests::sandbox_id);
    REQUIRE_FALSE(config.has_value());
    CAPTURE(config.error().message);
    CHECK(config.error().message.find("OPENSHELL_GATEWAY_TLS_SERVER_NAME") != std::string::npos);
  }
  SUBCASE("another name that was asked for") {
    FakeGateway gateway(server_credentials(named));
    const auto client =
        client_for({gateway.url("https"), ca.certificate_pem, "", "", "gw.example"}, slot);
    CHECK(client->get_sandbox_config(tests::sandbox_id).has_value());
  }
  SUBCASE("no TLS there") {
    FakeGateway gateway;
    const auto client = client_for({gateway.url("https"), ca.certificate_pem, "", "", ""}, slot);
    CHECK_FALSE(client->get_sandbox_config(tests::sandbox_id).has_value());
  }
}

TEST_CASE("gateway client: nobody there") {
  std::string url;
  {
    FakeGateway gateway;
    url = gateway.url();
  }
  const TokenSlot slot(held(fresh_token()));
  const auto client = client_for({url, "", "", "", ""}, slot);
  const auto config = client->get_sandbox_config(tests::sandbox_id);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().grpc_code == grpc_unavailable);
  CHECK_FALSE(config.error().lasting);
  CHECK(config.error().message.find("is it running?") != std::string::npos);
}

TEST_CASE("gateway client: cancel ends the call that is under way and all later ones") {
  FakeGateway gateway;
  const TokenSlot slot(held(fresh_token()));
  const auto client = client_for({gateway.url(), "", "", "", ""}, slot);
  std::unique_lock stuck(gateway.mutex);  // the handler waits for it
  std::jthread canceller([&] { client->cancel(); });
  const auto config = client->get_sandbox_config(tests::sandbox_id);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().grpc_code == grpc_cancelled);
  CHECK(client->refresh("x").error().grpc_code == grpc_cancelled);
  stuck.unlock();
}
