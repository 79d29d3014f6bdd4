// Tokens of grants in requests, against an upstream of our own (see proxy_test.cpp).

#include <doctest/doctest.h>

#include <functional>

#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/netproxy/scripted_origin.hpp"

namespace keyward::netproxy {
namespace {

std::string get(const std::string& path, const std::string& host, const std::string& fields = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
}

// Sends a request all but its last byte, and waits until it has its token.
void send_all_but_the_end(Client& client, FakeTokens& tokens, const std::string& request) {
  const std::size_t path = request.find(' ') + 1;
  const std::string wanted = request.substr(path, request.find(' ', path) - path);
  client.write(std::string_view(request).substr(0, request.size() - 1));
  // Under the lock under which it is given.
  for (int i = 0; i < 10'000 && tokens.last_place().path != wanted; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  REQUIRE(tokens.last_place().path == wanted);
}

bool has(const std::string& head, std::string_view line) {
  return head.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
}

}  // namespace

TEST_CASE_FIXTURE(ProxyFixture, "inject: the token arrives, the client's own values do not") {
  tokens.bind("up.test", {{"Authorization", "Bearer real"}, {"X-Api-Key", "k"}});
  Client client = tunnel("up.test");
  for (const char* spelling : {"Authorization", "AUTHORIZATION", "authorization"}) {
    CAPTURE(spelling);
    const std::string own = std::string(spelling) + ": Bearer mine\r\nx_api_key: mine\r\n";
    CHECK(
        client.ask(get("/a", "up.test", own + "X-Api_Key: mine\r\n")).starts_with("HTTP/1.1 200 "));
    const std::string head = origin.last_head();
    CHECK(has(head, "Authorization: Bearer real"));
    CHECK(has(head, "X-Api-Key: k"));
    CHECK(head.find("mine") == std::string::npos);
  }
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: other hosts get nothing, and keep what the client sent") {
  tokens.bind("ro.test", {{"Authorization", "Bearer real"}});
  Client client = tunnel("up.test");
  CHECK(client.ask(get("/a", "up.test", "Authorization: Bearer mine\r\n"))
            .starts_with("HTTP/1.1 200 "));
  CHECK(has(origin.last_head(), "Authorization: Bearer mine"));
  CHECK(origin.last_head().find("real") == std::string::npos);
  CHECK(tokens.asked() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a token that comes later is waited for") {
  tokens.bind("up.test", {{"Authorization", "Bearer real"}});
  for (int i = 0; i < 3; ++i) {
    tokens.answer_later();
    Client client = tunnel("up.test");
    CHECK(client.ask(get("/a", "up.test")).starts_with("HTTP/1.1 200 "));
    CHECK(has(origin.last_head(), "Authorization: Bearer real"));
  }
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: without its token nothing is sent, and the client lives") {
  tokens.bind("up.test", {{"Authorization", "Bearer real"}});
  Client client = tunnel("up.test");
  for (const bool later : {false, true})
    for (const auto& [code, status] :
         {std::pair{Code::unavailable, "503"}, {Code::timeout, "503"}, {Code::denied, "502"}}) {
      tokens.fail_with(Error{code, "the issuer does not answer"});
      if (later) tokens.answer_later();
      const std::string answer = client.ask(get("/a", "up.test"));
      CHECK(answer.starts_with(std::string("HTTP/1.1 ") + status));
      CHECK(answer.find("application/problem+json") != std::string::npos);
      CHECK(answer.find("token_unavailable") != std::string::npos);
    }
  CHECK(origin.requests() == 0);
  tokens.fail_with(std::nullopt);
  CHECK(client.ask(get("/a", "up.test")).starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a token that is refused is fetched anew, once") {
  tokens.bind("up.test", {{"Authorization", "Bearer stale"}});
  Client client = tunnel("up.test");
  CHECK(client.ask(get("/guarded", "up.test")).starts_with("HTTP/1.1 200 "));
  CHECK(has(origin.last_head(), "Authorization: Bearer fresh"));
  CHECK(tokens.rejections() == 1);
  CHECK(client.ask(get("/b", "up.test")).starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a request with a body is not sent twice") {
  tokens.bind("up.test", {{"Authorization", "Bearer stale"}});
  Client client = tunnel("up.test");
  const std::string post = "POST /guarded HTTP/1.1\r\nHost: up.test\r\nContent-Length: 2\r\n\r\nhi";
  CHECK(client.ask(post).starts_with("HTTP/1.1 401 "));
  CHECK(tokens.rejections() == 1);
  CHECK(origin.requests() == 1);
  CHECK(client.ask(post).starts_with("HTTP/1.1 200 "));  // with what was fetched anew
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a token that a slow body has outlived is not used") {
  const auto post = [](const std::string& path) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: up.test\r\nAuthorization: mine\r\nContent-Length: 2\r\n\r\nhi";
  };
  tokens.bind("up.test", {{"Authorization", "Bearer first"}});
  Client client = tunnel("up.test");
  send_all_but_the_end(client, tokens, post("/renewed"));
  tokens.bind("up.test", {{"authorization", "Bearer second"}});
  client.write("i");
  CHECK(client.read_answer("POST").starts_with("HTTP/1.1 200 "));
  CHECK(has(origin.last_head(), "authorization: Bearer second"));
  CHECK(origin.last_head().find("first") == std::string::npos);
  CHECK(origin.last_head().find("mine") == std::string::npos);
  CHECK(origin.whole_bodies() == 1);

  // One that is bound meanwhile is as new as any other.
  tokens.bind("ro.test", {});
  const int looked = tokens.looked();
  const std::string unbound = post("/bound");
  client.write(std::string_view(unbound).substr(0, unbound.size() - 1));
  for (int i = 0; i < 10'000 && tokens.looked() == looked; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  tokens.bind("up.test", {{"Authorization", "Bearer third"}});
  client.write("i");
  CHECK(client.read_answer("POST").starts_with("HTTP/1.1 200 "));
  CHECK(has(origin.last_head(), "Authorization: Bearer third"));

  const auto refused = [&](const std::string& path, const std::function<void()>& meanwhile) {
    CAPTURE(path);
    tokens.fail_with(std::nullopt);
    tokens.bind("up.test", {{"Authorization", "Bearer first"}});
    Client other = tunnel("up.test");
    send_all_but_the_end(other, tokens, post(path));
    meanwhile();
    other.write("i");
    CHECK(other.read_answer("POST").starts_with("HTTP/1.1 503 "));
  };
  refused("/withdrawn", [this] { tokens.bind("ro.test", {}); });
  refused("/under-another-name", [this] { tokens.bind("up.test", {{"X-Api-Key", "k"}}); });
  refused("/ended", [this] { tokens.fail_with(Error{Code::unavailable, "the issuer is away"}); });
  CHECK(origin.requests() == 2);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: keys that a slow body has outlived sign nothing") {
  using std::chrono::hours;
  credentials.set(std::make_shared<const Credentials>());
  const auto put = [this](const std::string& path) {
    std::string request = signed_put(2, hex(sha256("hi"))) + "hi";
    return request.replace(request.find("/bucket/key"), 11, path);
  };
  tokens.bind_keys("s3.test", "ASIAFIRST", clock.now() + hours(1));
  Client client = tunnel("s3.test");
  send_all_but_the_end(client, tokens, put("/renewed"));
  tokens.bind_keys("s3.test", "ASIASECOND", clock.now() + hours(1));
  client.write("i");
  const std::string answer = client.read_answer("PUT");
  CHECK_MESSAGE(answer.starts_with("HTTP/1.1 200 "), answer);
  CHECK(origin.last_head().find("Credential=ASIASECOND/") != std::string::npos);
  CHECK(origin.last_head().find("ASIAFIRST") == std::string::npos);
  CHECK(origin.whole_bodies() == 1);

  for (const bool withdrawn : {false, true}) {
    CAPTURE(withdrawn);
    tokens.bind_keys("s3.test", "ASIAFIRST", clock.now() + hours(1));
    Client other = tunnel("s3.test");
    send_all_but_the_end(other, tokens, put(withdrawn ? "/withdrawn" : "/ended"));
    if (withdrawn) tokens.bind("ro.test", {});
    if (!withdrawn)
      tokens.bind_keys("s3.test", "ASIAFIRST", clock.now() - std::chrono::milliseconds(1));
    other.write("i");
    CHECK(other.read_answer("PUT").starts_with("HTTP/1.1 503 "));
  }
  CHECK(origin.requests() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: keys that are taken back during a slow body, too") {
  tokens.bind("s3.test", {{"X-Extra", "real"}});
  Client client = tunnel("s3.test");
  std::string put = signed_put(2, hex(sha256("hi"))) + "hi";
  put.replace(put.find("/bucket/key"), 11, "/taken-back");
  send_all_but_the_end(client, tokens, put);
  credentials.set(std::make_shared<const Credentials>());
  client.write("i");
  CHECK(client.read_answer("PUT").starts_with("HTTP/1.1 503 "));
  CHECK(origin.requests() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: what is withdrawn during the dial is not sent") {
  Client client = tunnel("up.test");
  std::string request = get("/", "up.test");
  SUBCASE("a token") { tokens.bind("up.test", {{"Authorization", "Bearer granted"}}); }
  SUBCASE("keys") {
    credentials.set(std::make_shared<const Credentials>());
    tokens.bind_keys("s3.test", "ASIAGRANTED", clock.now() + std::chrono::hours(1));
    client = tunnel("s3.test");
    request = signed_put(0, hex(sha256("")));
  }
  SUBCASE("keys of a body that streams") {
    credentials.set(std::make_shared<const Credentials>());
    tokens.bind_keys("s3.test", "ASIAGRANTED", clock.now() + std::chrono::hours(1));
    client = tunnel("s3.test");
    const std::string body(300'000, 'x');
    request = signed_put(body.size(), hex(sha256(body))) + body;
  }
  tokens.withdraw_at(2);
  CHECK(client.ask(request).starts_with("HTTP/1.1 503 "));
  CHECK(tokens.asked() == 2);
  CHECK(origin.requests() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: no field comes behind the body") {
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: up.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n";
  Client before = tunnel("up.test");
  CHECK(before.ask(chunked + "X-Api-Key: mine\r\n\r\n").starts_with("HTTP/1.1 200 "));
  tokens.bind("up.test", {{"X-Api-Key", "real"}});
  Client client = tunnel("up.test");
  CHECK(client.ask(chunked + "\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(client.ask(chunked + "X-Api-Key: mine\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(origin.whole_bodies() == 2);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a 401 to a request without a token is the client's") {
  Client client = tunnel("up.test");
  CHECK(client.ask(get("/guarded", "up.test", "Authorization: Bearer stale\r\n"))
            .starts_with("HTTP/1.1 401 "));
  CHECK(tokens.rejections() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: no way past it through an unopened tunnel") {
  tokens.bind("raw.test", {{"Authorization", "Bearer real"}});
  CHECK(connect_status("raw.test:9000") == 502);
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: an endpoint is signed or gets a token, not both") {
  tokens.bind("s3.test", {{"authorization", "Bearer real"}});
  Client client = tunnel("s3.test");
  CHECK(client.ask(signed_put(0, hex(sha256("")))).starts_with("HTTP/1.1 502 "));
  tokens.bind("s3.test", {{"X-Extra", "real"}});
  CHECK(client.ask(signed_put(0, hex(sha256("")))).starts_with("HTTP/1.1 200 "));
  CHECK(has(origin.last_head(), "X-Extra: real"));
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: in clear text to internal addresses alone") {
  std::mutex mutex;
  std::vector<std::string> heads;
  const ScriptedOrigin plain(nullptr, 9080, [&](Peer& peer, int) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const std::lock_guard lock(mutex);
      heads.push_back(head);
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  const auto absolute = [](const std::string& host) {
    return "GET http://" + host + ":9080/a HTTP/1.1\r\nHost: " + host +
           ":9080\r\nAuthorization: mine\r\n\r\n";
  };
  // Without a token the program's own header passes, and the policy alone says whereto.
  Client client = dial_proxy();
  CHECK(client.ask(absolute("plain.test")).starts_with("HTTP/1.1 200 "));
  CHECK(client.ask(absolute("outside.test")).find("destination_ip_prohibited") ==
        std::string::npos);

  tokens.bind("plain.test", {{"Authorization", "Bearer real"}});
  for (int i = 0; i < 2; ++i)
    CHECK(client.ask(absolute("plain.test")).starts_with("HTTP/1.1 200 "));
  CHECK_FALSE(tokens.last_place().secure);
  CHECK(plain.connections() == 2);  // not that of the pool, which might lead elsewhere
  tokens.bind("outside.test", {{"Authorization", "Bearer real"}});
  const std::string refused = client.ask(absolute("outside.test"));
  CHECK(refused.starts_with("HTTP/1.1 403 "));
  CHECK(refused.find("destination_ip_prohibited") != std::string::npos);

  const std::lock_guard lock(mutex);
  REQUIRE(heads.size() == 3);
  CHECK(has(heads[0], "Authorization: mine"));
  for (const std::size_t each : {1U, 2U}) {
    CHECK(has(heads[each], "Authorization: Bearer real"));
    CHECK(heads[each].find("mine") == std::string::npos);
  }
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: a field that the client declares hop-by-hop") {
  tokens.bind("up.test", {{"authorization", "Bearer real"}});
  for (const char* named : {"Connection: authorization\r\n", "Connection: close, Authorization\r\n",
                            "Connection: authorization\r\nAuthorization: mine\r\n"}) {
    CAPTURE(named);
    Client each = tunnel("up.test");
    CHECK(each.ask(get("/a", "up.test", named)).starts_with("HTTP/1.1 200 "));
    const std::string head = origin.last_head();
    CHECK(has(head, "authorization: Bearer real"));
    CHECK(head.find("mine") == std::string::npos);
    CHECK(lower(head).find("\r\nconnection:") == std::string::npos);
  }
}

TEST_CASE_FIXTURE(ProxyFixture, "inject: the proxy ends while a token is waited for") {
  tokens.bind("up.test", {{"Authorization", "Bearer real"}});
  Client client = tunnel("up.test");
  tokens.answer_later();
  client.write(get("/a", "up.test"));
  proxy.reset();
}

}  // namespace keyward::netproxy
