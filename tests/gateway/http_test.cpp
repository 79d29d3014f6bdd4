#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "gateway/http/server.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

struct TestHttp : TestGateway {
  std::mutex hanging;  // while it is held, the database does not answer
  Readiness readiness{[this] {
    const std::lock_guard lock(hanging);
    return store->token_status("").has_value();
  }};
  std::unique_ptr<HttpServer> server;
  TestHttp() {
    const HttpDeps deps{readiness, ring, metrics, "openshell-gateway:test", "http://gateway.test"};
    auto started = HttpServer::start("127.0.0.1:0", [deps](auto method, auto target) {
      return answer_http(deps, method, target);
    });
    REQUIRE(started);
    server = std::move(*started);
  }
  UniqueFd connect() const {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{20, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(server->port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    return socket;
  }
  // All bytes until the server ends the connection.
  std::string exchange(const std::string& request) const {
    const UniqueFd socket = connect();
    REQUIRE(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
    std::string answer;
    char part[4096];
    for (ssize_t got = 0; (got = ::recv(socket.get(), part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<std::size_t>(got));
    return answer;
  }
  std::string ask(const std::string& method, const std::string& target) const {
    return exchange(method + " " + target + " HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");
  }
};

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("http: health, readiness, and what is not there") {
  const TestHttp gateway;
  CHECK(gateway.ask("GET", "/healthz").starts_with("HTTP/1.1 200 "));
  CHECK(gateway.ask("GET", "/readyz?verbose").starts_with("HTTP/1.1 200 "));
  const std::string head = gateway.ask("HEAD", "/healthz");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(body_of(head).empty());
  for (const char* target : {"/", "/healthz/", "/../healthz", "//healthz", "/.well-known/"}) {
    CAPTURE(target);
    CHECK(gateway.ask("GET", target).starts_with("HTTP/1.1 404 "));
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"})
    CHECK(gateway.ask(method, "/healthz").starts_with("HTTP/1.1 405 "));
}

TEST_CASE("http: the published key is the one that verifies, and no private part is there") {
  TestHttp gateway;
  const auto keys = nlohmann::json::parse(body_of(gateway.ask("GET", "/.well-known/jwks.json")));
  REQUIRE(keys["keys"].size() == 1);
  const auto& key = keys["keys"][0];
  const auto current = gateway.ring.keys();
  CHECK(key["kid"] == current->current.kid);
  CHECK(key["x"] == base64url(current->current.public_key));
  CHECK(key["crv"] == "Ed25519");
  CHECK_FALSE(key.contains("d"));
  const auto discovery =
      nlohmann::json::parse(body_of(gateway.ask("GET", "/.well-known/openid-configuration")));
  CHECK(discovery["id_token_signing_alg_values_supported"] == nlohmann::json::array({"EdDSA"}));
  const HttpDeps unknown{gateway.readiness, gateway.ring, gateway.metrics, "i", ""};
  CHECK(answer_http(unknown, "GET", "/.well-known/openid-configuration").status == 404);
  CHECK(discovery["issuer"] == "openshell-gateway:test");
  CHECK(discovery["jwks_uri"] == "http://gateway.test/.well-known/jwks.json");
}

TEST_CASE("http: a database that does not answer is told by /readyz, not by /healthz") {
  const TestHttp gateway;
  gateway.database.change("DROP TABLE refreshes; DROP TABLE tokens");
  CHECK(gateway.ask("GET", "/readyz").starts_with("HTTP/1.1 503 "));
  CHECK(gateway.ask("GET", "/healthz").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http: a database that hangs hangs neither /readyz nor /healthz") {
  TestHttp gateway;
  REQUIRE(gateway.ask("GET", "/readyz").starts_with("HTTP/1.1 200 "));
  {
    const std::lock_guard hangs(gateway.hanging);
    for (int i = 0; i < 3; ++i) {
      CHECK(gateway.ask("GET", "/readyz").starts_with("HTTP/1.1 503 "));
      CHECK(gateway.ask("GET", "/healthz").starts_with("HTTP/1.1 200 "));
    }
  }
  std::string answer;
  for (int i = 0; i < 50 && !answer.starts_with("HTTP/1.1 200 "); ++i)
    answer = gateway.ask("GET", "/readyz");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http: metrics count calls by method and status") {
  TestHttp gateway;
  gateway.metrics.count_request("GetSandboxConfig", "PERMISSION_DENIED");
  gateway.metrics.count_request("GetSandboxConfig", "PERMISSION_DENIED");
  const std::string text = body_of(gateway.ask("GET", "/metrics"));
  CHECK(text.find("keyward_gateway_requests_total{method=\"GetSandboxConfig\",code=\"PERMISSION_"
                  "DENIED\"} 2\n") != std::string::npos);
}

TEST_CASE("http: what is no request, or too long, ends the connection and nothing else") {
  const TestHttp gateway;
  CHECK(gateway.exchange("nonsense\r\n\r\n").empty());
  CHECK(gateway.exchange("GET /healthz HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n")
            .empty());
  CHECK(gateway.exchange(std::string(3, '\0') + "\r\n\r\n").empty());
  std::vector<UniqueFd> held;
  for (int i = 0; i < 64; ++i) held.push_back(gateway.connect());
  CHECK(gateway.ask("GET", "/healthz").empty());  // above the limit
  held.clear();
  std::string answer;
  for (int i = 0; i < 200 && answer.empty(); ++i) answer = gateway.ask("GET", "/healthz");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http: an address that is none is refused") {
  for (const char* listen :
       {"", "127.0.0.1", "localhost:1", "127.0.0.1:", "127.0.0.1:99999", ":80"})
    CHECK_FALSE(HttpServer::start(listen, nullptr));
}
