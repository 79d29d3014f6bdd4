// Certificates for the gateway that a SPIFFE agent gives, against a real server that demands them.
// (What the gateway's own certificate must be is shown by e2e.gateway_identity.)
#include "identity/rpc/agent_tls.hpp"

#include <thread>

#include "gateway/certgen/certificates.hpp"
#include "identity/rpc/gateway_client.hpp"
#include "tests/support/fake_gateway.hpp"

using namespace keyward;
using namespace keyward::identity;
using gateway::CertifiedKey;
using tests::Call;
using tests::FakeGateway;

namespace {

TimePoint now() { return SystemClock().now(); }

struct FakeSvids final : X509SvidSource {
  std::mutex mutex;  // guards what follows
  Result<std::shared_ptr<const X509Svid>> current =
      fail(Code::unavailable, "the agent has not answered yet");
  std::vector<std::chrono::milliseconds> patience;  // of each question
  void give(const CertifiedKey& pair) {
    X509Svid svid;
    svid.certificates_pem = pair.certificate_pem;
    svid.key_pem = pair.key_pem.clone();
    const std::lock_guard lock(mutex);
    current = std::make_shared<const X509Svid>(std::move(svid));
  }
  void refuse(Code code, const std::string& why) {
    const std::lock_guard lock(mutex);
    current = fail(code, why);
  }
  Result<std::shared_ptr<const X509Svid>> x509_svid(std::chrono::milliseconds wait) override {
    const std::lock_guard lock(mutex);
    patience.push_back(wait);
    return current;
  }
};

struct FakeBundles final : X509BundleSource {
  Result<std::shared_ptr<const X509Bundles>> current =
      std::make_shared<const X509Bundles>(X509Bundles{{"x", "of x"}, {"y", "of y"}});
  Result<std::shared_ptr<const X509Bundles>> x509_bundles(std::chrono::milliseconds) override {
    return current;
  }
};

std::shared_ptr<grpc::ServerCredentials> demanding(const CertifiedKey& ca) {
  const CertifiedKey server = gateway::make_server(ca, {"gw.example"}, now()).value();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca.certificate_pem;
  options.pem_key_cert_pairs.push_back(
      {std::string(server.key_pem.reveal()), server.certificate_pem});
  return grpc::SslServerCredentials(options);
}

struct Fixture {
  CertifiedKey ca = gateway::make_ca(now()).value();
  CertifiedKey first = gateway::make_client(ca, {"first", {}}, now()).value();
  CertifiedKey second = gateway::make_client(ca, {"second", {}}, now()).value();
  const TokenSlot slot{tests::held(tests::fresh_token())};
  FakeSvids svids;
  std::string seen;  // the certificate of the last call
  FakeGateway gateway{demanding(ca)};
  std::unique_ptr<GatewayClient> client;

  Fixture() {
    gateway.config = [this](const Call& call, auto&) {
      seen = call.certificate;
      return grpc::Status::OK;
    };
    GatewayEndpoint endpoint;
    endpoint.url = gateway.url("https");
    endpoint.ca_pem = ca.certificate_pem;
    endpoint.server_name = "gw.example";
    client = GatewayClient::connect(endpoint, slot, {&svids, nullptr}).value();
  }
  RpcResult<> ask() {
    return client->get_sandbox_config(tests::sandbox_id).map([](const auto&) {});
  }
  std::string certificate() {
    if (!ask()) return "-";
    const std::lock_guard lock(gateway.mutex);
    return seen;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "agent TLS: what the agent gives is presented from the next call on") {
  svids.give(first);
  CHECK(certificate() == "first");
  CHECK(certificate() == "first");
  svids.give(second);
  CHECK(certificate() == "second");
}

TEST_CASE_FIXTURE(Fixture, "agent TLS: only the first call waits for the agent") {
  CHECK_FALSE(ask().has_value());
  CHECK_FALSE(ask().has_value());
  CHECK(svids.patience.front().count() > 0);
  CHECK(std::count_if(svids.patience.begin(), svids.patience.end(),
                      [](auto each) { return each.count() > 0; }) == 1);
}

TEST_CASE_FIXTURE(Fixture, "agent TLS: the agent's word is never taken for the gateway's") {
  for (const Code code : {Code::not_found, Code::denied, Code::invalid, Code::unsupported,
                          Code::unavailable, Code::timeout, Code::unauthenticated}) {
    svids.refuse(code, "so it says");
    const auto refused = ask();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().grpc_code == grpc_unavailable);
    CHECK(refused.error().message.find("so it says") != std::string::npos);
    CHECK(refused.error().lasting == (agent_verdict(code) == AgentVerdict::misconfigured));
  }
}

TEST_CASE_FIXTURE(Fixture, "agent TLS: calls end with the identity that they used") {
  svids.give(first);
  std::atomic<bool> stands{false};
  gateway.session = [&](FakeGateway::Session& stream) {
    openshell::v1::SupervisorMessage message;
    stands = stream.Read(&message);
    while (stream.Read(&message)) continue;  // until it is cut
    return grpc::Status::OK;
  };
  std::atomic<bool> ended{false};
  const std::jthread session([&] {
    (void)client->hold_session({tests::sandbox_id, "instance"});
    ended = true;
  });
  for (int i = 0; i < 1000 && !stands; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(stands);
  svids.refuse(Code::not_found, "taken back");
  CHECK_FALSE(ask().has_value());
  for (int i = 0; i < 1000 && !ended; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(ended);
  svids.give(second);
  CHECK(certificate() == "second");
  client->cancel();
}

TEST_CASE("agent TLS: the gateway's trust domain decides whose bundle it is") {
  FakeBundles bundles;
  const std::chrono::milliseconds none(0);
  CHECK(ask_agent({nullptr, &bundles}, "spiffe://y/gateway", none).value().authorities_pem ==
        "of y");
  const auto stranger = ask_agent({nullptr, &bundles}, "spiffe://z/gateway", none);
  REQUIRE_FALSE(stranger.has_value());
  CHECK(stranger.error().what.find("trust domain z") != std::string::npos);
  CHECK(ask_agent({}, "", none).value() == AgentTlsNow{});
  bundles.current = fail(Code::not_found, "no entry");
  CHECK(ask_agent({nullptr, &bundles}, "spiffe://y/gateway", none).error().what == "no entry");
}
