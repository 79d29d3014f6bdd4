#include <doctest/doctest.h>

#include <memory>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/http/head_parser.hpp"
#include "sigv4proxy/signing_gate.hpp"
#include "sigv4proxy/utility.hpp"

using namespace keyward;
using namespace keyward::sigv4proxy;

namespace {

class FixedClock final : public Clock {
 public:
  TimePoint now() const override { return time; }
  TimePoint time{std::chrono::seconds(1'900'000'000)};
};

struct Gate {
  GateSettings settings;
  Snapshot<identity::AwsKeyState> keys;
  Metrics metrics;
  FixedClock clock;
  netproxy::SigningKeys cache;
  netproxy::Exchange exchange;

  Gate() {
    settings.upstream = {{"up.test", 443}, true, "/prefix", "up.test", {"eu-central-1", "s3"}, "k"};
    settings.hold_limit = 1 << 20;
    give_keys(clock.time + std::chrono::hours(1));
  }
  void give_keys(std::optional<TimePoint> expires) {
    auto state = std::make_shared<identity::AwsKeyState>();
    state->keys = std::make_shared<const identity::AwsKeys>(identity::AwsKeys{
        {"AKIATEST", Secret("secret"), Secret("the-session-token")}, expires, "test"});
    keys.set(std::move(state));
  }
  netproxy::Answer<> admit(const std::string& head) {
    exchange.request = netproxy::parse_request_head(head).value();
    return gate().admit(exchange);
  }
  netproxy::Answer<> finish(std::string_view body = {}) {
    return gate().finish(exchange, body, cache);
  }
  SigningGate gate() { return SigningGate(settings, {keys, metrics, clock}); }
  std::string header(const char* name) const {
    const std::string* value = netproxy::find_header(exchange.request.headers, name);
    return value == nullptr ? "" : *value;
  }
};

constexpr const char* empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace

TEST_CASE("sigv4-proxy gate: signs for its upstream, whatever the client has signed") {
  Gate gate;
  REQUIRE(gate.admit(
      "GET /b/k?x=1 HTTP/1.1\r\nHost: proxy\r\nAuthorization: Basic abc\r\n"
      "X-Amz-Date: 1\r\nX-Amz-Security-Token: foreign\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"));
  REQUIRE(gate.finish());
  CHECK(gate.exchange.request.target == "/prefix/b/k?x=1");
  CHECK(gate.header("host") == "up.test");
  CHECK(gate.header("authorization")
            .starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIATEST/20300317/eu-central-1/s3/aws4_request"));
  CHECK(gate.header("x-amz-security-token") == "the-session-token");
  CHECK(gate.header("x-amz-content-sha256") == empty_hash);
  CHECK(gate.header("x-hop").empty());
  CHECK_FALSE(gate.exchange.route.guarded);
}

TEST_CASE("sigv4-proxy gate: bodies") {
  struct Case {
    const char* name;
    const char* head;
    bool collects;
    const char* hash;  // after finish("body")
  };
  const std::string own = hex(sha256("body"));
  const std::vector<Case> cases = {
      {"small", "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 4\r\n\r\n", true, own.c_str()},
      {"chunked", "PUT /k HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n", true,
       own.c_str()},
      {"large for S3", "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 70000\r\n\r\n", false,
       "UNSIGNED-PAYLOAD"},
      {"empty", "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n", false, empty_hash},
      {"declared",
       "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 4\r\nX-Amz-Content-Sha256: "
       "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5\r\n\r\n",
       false, "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"}};
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      Gate gate;
      REQUIRE(gate.admit(c.head));
      CHECK((gate.exchange.collect > 0) == c.collects);
      REQUIRE(gate.finish(c.collects ? "body" : ""));
      CHECK(gate.header("x-amz-content-sha256") == c.hash);
    }
  }
  SUBCASE("large for another service") {
    Gate gate;
    gate.settings.upstream.target.service = "dynamodb";
    REQUIRE(gate.admit("POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 70000\r\n\r\n"));
    CHECK(gate.exchange.collect == gate.settings.hold_limit);
  }
  SUBCASE("unsigned when asked for") {
    Gate gate;
    gate.settings.unsigned_payload = true;
    REQUIRE(gate.admit("PUT /k HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n"));
    REQUIRE(gate.finish());
    CHECK(gate.header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD");
  }
}

TEST_CASE("sigv4-proxy gate: nothing is signed without a usable key") {
  Gate gate;
  SUBCASE("none") { gate.keys.set(nullptr); }
  SUBCASE("ended") { gate.give_keys(gate.clock.time); }
  SUBCASE("ends too soon") {
    gate.settings.signature_lifetime = std::chrono::seconds(600);
    gate.give_keys(gate.clock.time + std::chrono::seconds(500));
  }
  REQUIRE(gate.admit("GET /k HTTP/1.1\r\nHost: p\r\n\r\n"));
  const auto done = gate.finish();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().problem().status == 503);
  CHECK(gate.header("authorization").empty());
}

TEST_CASE("sigv4-proxy gate: a signature with a life stands in the query") {
  Gate gate;
  gate.settings.signature_lifetime = std::chrono::seconds(90);
  gate.settings.dry_run = true;
  REQUIRE(gate.admit("GET /k?x=1 HTTP/1.1\r\nHost: p\r\n\r\n"));
  REQUIRE(gate.finish());
  const std::string& target = gate.exchange.request.target;
  CHECK(target.find("X-Amz-Expires=90") != std::string::npos);
  CHECK(target.find("X-Amz-Signature=") != std::string::npos);
  CHECK(gate.header("authorization").empty());
  CHECK(gate.exchange.local->body.find("the-session-token") == std::string::npos);
}

TEST_CASE("sigv4-proxy gate: SigV4a") {
  Gate gate;
  gate.settings.upstream.target = {"*", "s3", netproxy::SigningAlgorithm::ecdsa};
  REQUIRE(gate.admit("GET /k HTTP/1.1\r\nHost: p\r\n\r\n"));
  REQUIRE(gate.finish());
  CHECK(gate.header("authorization")
            .starts_with("AWS4-ECDSA-P256-SHA256 Credential=AKIATEST/20300317/s3/aws4_request"));
  CHECK(gate.header("x-amz-region-set") == "*");
}

TEST_CASE("sigv4-proxy gate: what cannot be signed is refused") {
  for (const char* head :
       {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 4\r\nX-Amz-Content-Sha256: nonsense\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 4\r\nX-Amz-Content-Sha256: "
        "STREAMING-OTHER\r\n\r\n"}) {
    Gate gate;
    CAPTURE(head);
    CHECK_FALSE(gate.admit(head).has_value());
  }
  Gate gate;
  REQUIRE(gate.admit("GET /%zz HTTP/1.1\r\nHost: p\r\n\r\n"));
  CHECK_FALSE(gate.finish().has_value());
}

TEST_CASE("sigv4-proxy gate: a dry run shows the canonical request and no token") {
  Gate gate;
  gate.settings.dry_run = true;
  REQUIRE(gate.admit("GET /k HTTP/1.1\r\nHost: p\r\n\r\n"));
  REQUIRE(gate.finish());
  REQUIRE(gate.exchange.local.has_value());
  const std::string& text = gate.exchange.local->body;
  CHECK(text.find("GET\n/prefix/k\n\nhost:up.test\n") != std::string::npos);
  CHECK(text.find("AWS4-HMAC-SHA256\n20300317T174640Z\n") != std::string::npos);
  CHECK(text.find("the-session-token") == std::string::npos);
  CHECK(text.find("sha256:") != std::string::npos);
  const std::string signature = gate.header("authorization");
  CHECK(text.find(signature.substr(signature.size() - 64)) == std::string::npos);
}

TEST_CASE("sigv4-proxy utility port") {
  UtilityGate gate([] { return UtilityGate::Health{false, "no keys: why"}; },
                   [] { return std::string("metric 1\n"); });
  const auto ask = [&gate](const char* method, const char* target) {
    netproxy::Exchange exchange;
    exchange.request.method = method;
    exchange.request.target = target;
    REQUIRE(gate.admit(exchange));
    return *exchange.local;
  };
  CHECK(ask("GET", "/health").status == 503);
  CHECK(ask("GET", "/health").body == "no keys: why\n");
  CHECK(ask("GET", "/metrics?x").body == "metric 1\n");
  CHECK(ask("GET", "/other").status == 404);
  CHECK(ask("POST", "/metrics").status == 405);
}

TEST_CASE("sigv4-proxy metrics: Prometheus' text") {
  Metrics metrics;
  metrics.count({200, false, 10, 20, 700});
  metrics.count({503, true, 0, 0, 40'000'000});
  metrics.count_signature();
  metrics.count_renewal(true);
  auto keys = std::make_shared<const identity::AwsKeys>(
      identity::AwsKeys{{"A", Secret("s"), {}}, TimePoint(std::chrono::seconds(100)), "x"});
  const std::string text = metrics.text({3, {keys, ""}, TimePoint(std::chrono::seconds(50))});
  for (const char* line :
       {"keyward_sigv4_requests_total{code=\"200\"} 1\n",
        "keyward_sigv4_requests_total{code=\"503\"} 1\n",
        "keyward_sigv4_request_duration_seconds_bucket{le=\"0.0005\"} 0\n",
        "keyward_sigv4_request_duration_seconds_bucket{le=\"0.001\"} 1\n",
        "keyward_sigv4_request_duration_seconds_bucket{le=\"+Inf\"} 2\n",
        "keyward_sigv4_request_duration_seconds_sum 40.0007\n", "keyward_sigv4_refusals_total 1\n",
        "keyward_sigv4_body_bytes_total{direction=\"down\"} 20\n", "keyward_sigv4_connections 3\n",
        "keyward_sigv4_keys_usable 1\n", "keyward_sigv4_keys_expire_timestamp_seconds 100\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}
