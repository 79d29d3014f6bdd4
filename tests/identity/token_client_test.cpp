// A token endpoint on loopback: what is sent to it, and how what hangs ends.
#include "identity/oauth/token_client.hpp"

#include <doctest/doctest.h>

#include <atomic>

#include "tests/support/http_service.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using tests::HttpService;
using tests::Reply;

namespace {

const SystemClock wall;
const BootClock boot;
constexpr const char* json_type = "Content-Type: application/json\r\n";

Grant grant_at(const HttpService& server) {
  Grant grant;
  grant.token_endpoint = "http://" + server.url().authority() + "/token?x=1";
  return grant;
}

TokenClientSettings open_settings() {
  TokenClientSettings settings;
  settings.rules.loopback = true;
  settings.connect_deadline = settings.deadline = 1h;  // nothing here ends by itself
  return settings;
}

}  // namespace

TEST_CASE("token client: one POST with the form, and nothing that was not asked for") {
  HttpService server([](const std::string&) {
    return Reply{200, R"({"access_token":"abc","token_type":"Bearer","expires_in":60})", json_type};
  });
  TokenClient client(open_settings(), wall, boot);
  const auto granted = client.ask(grant_at(server), Secret("a=b&c=d"), nullptr);
  REQUIRE(granted.has_value());
  CHECK(granted->token.reveal() == "abc");
  CHECK(granted->lifetime == 60s);
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0] ==
        "POST /token?x=1 HTTP/1.1\r\nHost: " + server.url().authority() +
            "\r\nUser-Agent: keyward/" KEYWARD_VERSION
            "\r\nAccept: application/json, application/jwk-set+json\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b&c=d");
}

TEST_CASE("token client: cancelled, it waits for no server") {
  std::atomic<bool> over{false};
  std::atomic<int> asked{0};
  HttpService server([&](const std::string&) {
    ++asked;
    while (!over) std::this_thread::sleep_for(2ms);
    return Reply{500, "", ""};
  });
  TokenClient client(open_settings(), wall, boot);
  {
    const std::jthread ends([&] {
      while (asked == 0) std::this_thread::sleep_for(2ms);
      client.cancel();
    });
    const auto given_up = client.ask(grant_at(server), Secret("a=b"), nullptr);
    REQUIRE_FALSE(given_up.has_value());
    CHECK(given_up.error().error.code == Code::unavailable);
  }
  const auto later = client.ask(grant_at(server), Secret("a=b"), nullptr);
  CHECK(later.error().error.what.find("given up") != std::string::npos);
  over = true;
}

TEST_CASE("token client: cancelled while a name is looked up") {
  TokenClientSettings settings = open_settings();
  std::atomic<bool> asked{false};
  settings.resolve = [&](const std::string&, const std::stop_token& stop) -> Result<Addresses> {
    asked = true;
    while (!stop.stop_requested()) std::this_thread::sleep_for(2ms);
    return fail(Code::unavailable, "dns: cancelled");
  };
  TokenClient client(std::move(settings), wall, boot);
  const std::jthread ends([&] {
    while (!asked) std::this_thread::sleep_for(2ms);
    client.cancel();
  });
  Grant grant;
  grant.token_endpoint = "https://as.example/token";
  CHECK_FALSE(client.ask(grant, Secret("a=b"), nullptr).has_value());
}

TEST_CASE("token client: the look-up of a name is within the deadline") {
  TokenClientSettings settings = open_settings();
  settings.deadline = 50ms;
  settings.resolve = [&](const std::string&, const std::stop_token& stop) -> Result<Addresses> {
    while (!stop.stop_requested()) std::this_thread::sleep_for(2ms);
    return fail(Code::internal, "dns: no answer");
  };
  TokenClient client(std::move(settings), wall, boot);
  Grant grant;
  grant.token_endpoint = "https://as.example/token";
  const auto late = client.ask(grant, Secret("a=b"), nullptr);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().error.code == Code::timeout);
}

TEST_CASE("token client: connecting has a deadline of its own, which the handshake counts for") {
  const HttpService mute([](const std::string&) { return Reply{}; });  // no TLS: it waits for more
  TokenClientSettings settings = open_settings();
  settings.connect_deadline = 50ms;
  TokenClient client(std::move(settings), wall, boot);
  Grant grant;
  grant.token_endpoint = "https://" + mute.url().authority() + "/token";
  const auto late = client.ask(grant, Secret("a=b"), nullptr);  // else: after an hour
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().error.code == Code::unavailable);
}

TEST_CASE("token client: metadata is JSON by its content type, too") {
  std::atomic<bool> json{false};
  HttpService server([&](const std::string& request) {
    if (request.starts_with("POST"))
      return Reply{200, R"({"access_token":"abc","token_type":"Bearer","expires_in":60})",
                   json_type};
    const std::size_t host = request.find("Host: ") + 6;
    const std::string issuer =
        "http://" + request.substr(host, request.find("\r\n", host) - host) + "/a";
    return Reply{200,
                 R"({"issuer":")" + issuer + R"(","token_endpoint":")" + issuer + R"(/token"})",
                 json ? json_type : "Content-Type: text/html\r\n"};
  });
  Grant grant;
  grant.issuer = "http://" + server.url().authority() + "/a";
  TokenClient client(open_settings(), wall, boot);
  const auto refused = client.ask(grant, Secret("a=b"), nullptr);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().error.code == Code::denied);
  CHECK(refused.error().error.what.find("content type") != std::string::npos);
  json = true;
  CHECK(client.ask(grant, Secret("a=b"), nullptr).has_value());
}

TEST_CASE("token client: a server whose key is pinned is not asked without TLS") {
  HttpService server([](const std::string&) { return Reply{}; });
  TokenClientSettings settings = open_settings();
  settings.spki_pins[server.url().authority()] = {Digest()};
  TokenClient client(std::move(settings), wall, boot);
  const auto refused = client.ask(grant_at(server), Secret("a=b"), nullptr);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().error.code == Code::denied);
  CHECK(server.requests().empty());
}
