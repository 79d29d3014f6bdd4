// Certificates that are replaced while the client runs, against a real server that demands them.
#include <unistd.h>

#include "base/file.hpp"
#include "base/log.hpp"
#include "gateway/certgen/certificates.hpp"
#include "identity/rpc/gateway_client.hpp"
#include "identity/rpc/tls_files.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using gateway::CertifiedKey;
using tests::Call;
using tests::FakeGateway;

namespace {

TimePoint now() { return SystemClock().now(); }

struct Events final : log::Observer {
  std::mutex mutex;
  std::vector<std::string> seen;
  Events() { log::set_observer(this); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() { log::set_observer(nullptr); }
  void line(log::Level, std::string_view event, log::Fields) override {
    const std::lock_guard lock(mutex);
    seen.emplace_back(event);
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(seen, {});
  }
};
using Names = std::vector<std::string>;

// Two authorities; each has a server's certificate for gw.example alone.
struct Authorities {
  CertifiedKey ca = gateway::make_ca(now()).value(), other_ca = gateway::make_ca(now()).value();
  CertifiedKey server = gateway::make_server(ca, {"gw.example"}, now()).value();
  CertifiedKey other_server = gateway::make_server(other_ca, {"gw.example"}, now()).value();

  static std::shared_ptr<grpc::ServerCredentials> credentials(const CertifiedKey& server,
                                                              const CertifiedKey& clients) {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = clients.certificate_pem;
    options.pem_key_cert_pairs.push_back(
        {std::string(server.key_pem.reveal()), server.certificate_pem});
    return grpc::SslServerCredentials(options);
  }
  CertifiedKey client(const std::string& name) const {
    return gateway::make_client(ca, {name, {}}, now()).value();
  }
};

struct Fixture {
  Authorities pki;
  std::string seen;  // the certificate of the last call
  tests::TestDirectory directory;
  const TokenSlot slot{tests::held(tests::fresh_token())};
  CertifiedKey first = pki.client("first"), second = pki.client("second");
  FakeGateway gateway{Authorities::credentials(pki.server, pki.ca)};
  Events events;

  Fixture() {
    gateway.config = [this](const Call& call, auto&) {
      seen = call.certificate;
      return grpc::Status::OK;
    };
    put("ca.crt", pki.ca.certificate_pem);
    put_pair(first);
  }
  void put(const std::string& name, std::string_view content) {
    REQUIRE(replace_file(directory / name, content, 0600));
  }
  void put_pair(const CertifiedKey& pair) {
    put("tls.crt", pair.certificate_pem);
    put("tls.key", pair.key_pem.reveal());
  }
  GatewayEndpoint endpoint(const FakeGateway& server, const std::string& folder = "") {
    GatewayEndpoint endpoint;
    endpoint.url = server.url("https");
    endpoint.server_name = "gw.example";
    endpoint.files = {directory / (folder + "ca.crt"), directory / (folder + "tls.crt"),
                      directory / (folder + "tls.key")};
    return changed_tls(endpoint).value().value();
  }
  std::unique_ptr<GatewayClient> client(const GatewayEndpoint& endpoint) {
    auto connected = GatewayClient::connect(endpoint, slot);
    REQUIRE(connected.has_value());
    return std::move(*connected);
  }
  // With which certificate a call arrives; "-" where it does not.
  std::string ask(GatewayClient& client) {
    if (!client.get_sandbox_config(tests::sandbox_id)) return "-";
    const std::lock_guard lock(gateway.mutex);
    return seen;
  }
};

}  // namespace

TEST_CASE("TLS reload: a replaced pair is used from the next call on") {
  Fixture f;
  const auto client = f.client(f.endpoint(f.gateway));
  CHECK(f.ask(*client) == "first");
  CHECK(f.ask(*client) == "first");
  CHECK(f.events.take() == Names{});
  f.put_pair(f.second);
  CHECK(f.ask(*client) == "second");
  CHECK(f.ask(*client) == "second");
  CHECK(f.events.take() == Names{"tls_files_reloaded"});  // once
}

TEST_CASE("TLS reload: the kubelet's directory that is exchanged as a whole") {
  Fixture f;
  const auto make = [&](const std::string& name, const CertifiedKey& pair) {
    std::filesystem::create_directory(f.directory / name);
    f.put(name + "/ca.crt", f.pki.ca.certificate_pem);
    f.put(name + "/tls.crt", pair.certificate_pem);
    f.put(name + "/tls.key", pair.key_pem.reveal());
  };
  make("..1", f.first);
  make("..2", f.second);
  std::filesystem::create_directory(f.directory / "volume");
  std::filesystem::create_directory_symlink("../..1", f.directory / "volume/..data");
  for (const std::string name : {"ca.crt", "tls.crt", "tls.key"})
    std::filesystem::create_symlink("..data/" + name, f.directory / ("volume/" + name));
  const auto client = f.client(f.endpoint(f.gateway, "volume/"));
  CHECK(f.ask(*client) == "first");
  std::filesystem::create_directory_symlink("../..2", f.directory / "volume/..data_tmp");
  std::filesystem::rename(f.directory / "volume/..data_tmp", f.directory / "volume/..data");
  std::filesystem::remove_all(f.directory / "..1");
  CHECK(f.ask(*client) == "second");
}

TEST_CASE("TLS reload: what is half-written or does not fit together is not taken, and said once") {
  Fixture f;
  const auto client = f.client(f.endpoint(f.gateway));
  CHECK(f.ask(*client) == "first");
  const std::string certificate = f.second.certificate_pem, key(f.second.key_pem.reveal());
  SUBCASE("the certificate alone") { f.put("tls.crt", certificate); }
  SUBCASE("the key alone") { f.put("tls.key", key); }
  SUBCASE("half a certificate") { f.put("tls.crt", certificate.substr(0, 200)); }
  SUBCASE("half a key") { f.put("tls.key", key.substr(0, 100)); }
  SUBCASE("empty") { f.put("tls.crt", ""), f.put("tls.key", ""); }
  SUBCASE("gone") { std::filesystem::remove(f.directory / "tls.key"); }
  SUBCASE("half a CA") { f.put("ca.crt", f.pki.ca.certificate_pem.substr(0, 200)); }
  SUBCASE("an empty CA") { f.put("ca.crt", ""); }
  CHECK(f.ask(*client) == "first");
  CHECK(f.ask(*client) == "first");
  CHECK(f.events.take() == Names{"tls_files_refused"});
  f.put("ca.crt", f.pki.ca.certificate_pem);
  f.put_pair(f.second);
  CHECK(f.ask(*client) == "second");
  CHECK(f.events.take() == Names{"tls_files_reloaded"});
  std::filesystem::remove(f.directory / "tls.key");
  CHECK(f.ask(*client) == "second");
  CHECK(f.events.take() == Names{"tls_files_refused"});  // another time
}

TEST_CASE("TLS reload: the CA of the file is the only one that is trusted, before and after") {
  Fixture f;
  FakeGateway moved(Authorities::credentials(f.pki.other_server, f.pki.ca));
  const auto to_old = f.client(f.endpoint(f.gateway));
  const auto to_new = f.client(f.endpoint(moved));
  CHECK(f.ask(*to_old) == "first");
  CHECK(f.ask(*to_new) == "-");
  f.put("ca.crt", f.pki.other_ca.certificate_pem);
  CHECK(f.ask(*to_old) == "-");
  CHECK(f.ask(*to_new) != "-");
  f.put("ca.crt", f.pki.ca.certificate_pem + f.pki.other_ca.certificate_pem);
  CHECK(f.ask(*to_old) == "first");
  CHECK(f.ask(*to_new) != "-");
}

TEST_CASE("TLS reload: a stranger's certificate does not become right by being replaced") {
  Fixture f;
  const auto client = f.client(f.endpoint(f.gateway));
  f.put_pair(gateway::make_client(f.pki.other_ca, {"stranger", {}}, now()).value());
  CHECK(f.ask(*client) == "-");
  f.put_pair(f.second);
  CHECK(f.ask(*client) == "second");
}

TEST_CASE("TLS reload: the first reading refuses what later ones would not take") {
  Fixture f;
  GatewayEndpoint endpoint;
  endpoint.files = {f.directory / "ca.crt", f.directory / "tls.crt", f.directory / "tls.key"};
  const char* named = "OPENSHELL_TLS_CERT and OPENSHELL_TLS_KEY";
  SUBCASE("mismatch") { f.put("tls.key", f.second.key_pem.reveal()); }
  SUBCASE("no certificate") { f.put("tls.crt", "x"); }
  SUBCASE("no CA") { f.put("ca.crt", "x"), named = "OPENSHELL_TLS_CA"; }
  SUBCASE("no file") {
    std::filesystem::remove(f.directory / "tls.key");
    named = "OPENSHELL_TLS_KEY";
  }
  const auto read = changed_tls(endpoint);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().what.starts_with(named));
}

TEST_CASE("TLS reload: without paths there is nothing to follow") {
  const auto read = changed_tls({"https://a:1", "ca", "cert", "key", ""});
  REQUIRE(read.has_value());
  CHECK_FALSE(read->has_value());
}
