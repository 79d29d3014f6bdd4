// Requests that are signed with keys of grants, against an upstream of our own (see
// proxy_test.cpp).

#include <doctest/doctest.h>

#include "tests/netproxy/proxy_fixture.hpp"

namespace keyward::netproxy {
namespace {

std::string get(const std::string& path, const std::string& host, const std::string& fields = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE_FIXTURE(ProxyFixture, "granted keys: keys of a grant sign, and no others beside them") {
  using std::chrono::hours;
  tokens.bind_keys("s3.test", "ASIAGRANTED", clock.now() + hours(1));
  Client client = tunnel("s3.test");
  const std::string put = signed_put(0, hex(sha256("")));
  const std::string both = client.ask(put);
  CHECK(both.starts_with("HTTP/1.1 403 "));
  CHECK(both.find("credential_binding") != std::string::npos);
  CHECK(origin.requests() == 0);
  for (const bool later : {false, true}) {
    credentials.set(later ? nullptr : std::make_shared<const Credentials>());
    if (later) tokens.answer_later();
    CHECK(client.ask(put).starts_with("HTTP/1.1 200 "));
    const std::string head = origin.last_head();
    CHECK(head.find("Credential=ASIAGRANTED/") != std::string::npos);
    CHECK(head.find("/eu-central-1/s3/aws4_request") != std::string::npos);
    CHECK(head.find(";x-amz-security-token, Signature=") != std::string::npos);
    CHECK(head.find("granted-session\r\n") != std::string::npos);
    CHECK(head.find("granted-secret") == std::string::npos);
    CHECK(head.find(placeholder.access_key_id) == std::string::npos);
  }
  const InjectionPlace place = tokens.last_place();
  CHECK(place.is_signed);
  CHECK(place.path == "/bucket/key");
  // Keys that are bound where nothing is signed: the request is not let through without.
  tokens.bind_keys("up.test", "ASIAGRANTED", clock.now() + hours(1));
  Client plain = tunnel("up.test");
  CHECK(plain.ask(get("/a", "up.test")).starts_with("HTTP/1.1 502 "));
  CHECK_FALSE(tokens.last_place().is_signed);
  CHECK(origin.requests() == 2);
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "granted keys: without its keys nothing is signed, and the client lives") {
  using std::chrono::milliseconds;
  credentials.set(std::make_shared<const Credentials>());
  tokens.bind_keys("s3.test", "ASIAGRANTED", clock.now() + std::chrono::hours(1));
  Client client = tunnel("s3.test");
  const std::string put = signed_put(0, hex(sha256("")));
  for (const Code code : {Code::unavailable, Code::timeout, Code::precondition, Code::denied}) {
    tokens.fail_with(Error{code, "STS answers with a secret of its own"});
    const std::string answer = client.ask(put);
    CHECK(answer.starts_with("HTTP/1.1 503 "));
    CHECK(answer.find("credential_missing") != std::string::npos);
    CHECK(answer.find("STS") == std::string::npos);
  }
  tokens.fail_with(std::nullopt);
  tokens.bind_keys("s3.test", "ASIAOLD", clock.now() - milliseconds(1));
  CHECK(client.ask(put).starts_with("HTTP/1.1 503 "));
  CHECK(origin.requests() == 0);
  tokens.bind_keys("s3.test", "ASIANEW", clock.now() + std::chrono::hours(1));
  CHECK(client.ask(put).starts_with("HTTP/1.1 200 "));
  // Who holds another key than the placeholder is not served, whatever is granted.
  std::string other = put;
  other.replace(other.find(placeholder.access_key_id), 20, "AKIAFOREIGNFOREIGN22");
  CHECK(client.ask(other).starts_with("HTTP/1.1 403 "));
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "granted keys: keys whose session S3 refuses are fetched anew, once") {
  const TimePoint end = clock.now() + std::chrono::hours(1);
  credentials.set(std::make_shared<const Credentials>());
  tokens.bind_keys("s3.test", "ASIAENDED", end);
  tokens.renew_keys("ASIANEW", end);
  Client client = tunnel("s3.test");
  const auto asking = [this](const std::string& method, const std::string& path) {
    std::string text = signed_put(0, hex(sha256("")));
    text.replace(0, text.find(' '), method);
    text.replace(text.find("/bucket/key"), 11, path);
    return text.erase(text.find("Content-Length: 0\r\n"), 19);
  };
  const std::string answer = client.ask(asking("GET", "/bucket/key"));
  CHECK_MESSAGE(answer.starts_with("HTTP/1.1 200 "), answer);
  CHECK(tokens.rejections() == 1);
  CHECK(origin.requests() == 2);
  const std::string head = origin.last_head();
  CHECK(head.find("Credential=ASIANEW/") != std::string::npos);
  CHECK(head.find("ASIAENDED") == std::string::npos);
  CHECK(head.find("Authorization") == head.rfind("Authorization"));
  CHECK(head.find("granted-session") == head.rfind("granted-session"));

  // Other refusals are the client's, and what cannot be told is none.
  for (const char* path : {"/bucket/other", "/bucket/long"}) {
    CAPTURE(path);
    tokens.bind_keys("s3.test", "ASIAENDED", end);
    CHECK(client.ask(asking("GET", path)).starts_with("HTTP/1.1 40"));
    CHECK(tokens.rejections() == 1);
  }
  CHECK(client.ask(asking("HEAD", "/bucket/key")).starts_with("HTTP/1.1 400 "));
  CHECK(tokens.rejections() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture,
                  "granted keys: a body is not sent twice for a session that has ended") {
  const TimePoint end = clock.now() + std::chrono::hours(1);
  credentials.set(std::make_shared<const Credentials>());
  tokens.bind_keys("s3.test", "ASIAENDED", end);
  tokens.renew_keys("ASIANEW", end);
  Client client = tunnel("s3.test");
  const std::string put = signed_put(3, hex(sha256("abc"))) + "abc";
  const std::string answer = client.ask(put);
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(answer.find("<Error><Code>Expire") != std::string::npos);
  CHECK(answer.find("dToken</Code></Error>") != std::string::npos);
  CHECK(tokens.rejections() == 1);
  CHECK(origin.requests() == 1);
  CHECK(client.ask(put).starts_with("HTTP/1.1 200 "));  // with what was fetched anew
}

TEST_CASE_FIXTURE(ProxyFixture, "granted keys: chunks with a trailer by the keys of a grant") {
  credentials.set(std::make_shared<const Credentials>());
  tokens.bind_keys("s3.test", "ASIAGRANTED", clock.now() + std::chrono::hours(1));
  Client client = tunnel("s3.test");
  const std::string body = "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";  // of "abc"
  const std::string put =
      "PUT /bucket/key HTTP/1.1\r\nHost: s3.test\r\nContent-Encoding: aws-chunked\r\n"
      "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
      "x-amz-decoded-content-length: 3\r\nx-amz-trailer: x-amz-checksum-crc32\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  const std::string answer = client.ask(put);
  CHECK_MESSAGE(answer.starts_with("HTTP/1.1 200 "), answer);
  CHECK(origin.last_head().find("Credential=ASIAGRANTED/") != std::string::npos);
  CHECK(origin.whole_bodies() == 1);
}

}  // namespace keyward::netproxy
