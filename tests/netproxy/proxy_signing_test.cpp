// Forms of signing other than a header over a hash, against an upstream of our own (see
// proxy_test.cpp).

#include <doctest/doctest.h>

#include "netproxy/http/head_parser.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "tests/netproxy/proxy_fixture.hpp"

namespace keyward::netproxy {
namespace {

using std::chrono::seconds;

// A URL that the child has presigned with its placeholder.
std::string presigned(const ProxyFixture& f, const std::string& method, TimePoint at,
                      seconds life = seconds(300)) {
  RequestHead head;
  head.method = method;
  head.target = "/bucket/key";
  const AwsCredentials keys{f.placeholder.access_key_id, f.placeholder.secret_access_key.clone(),
                            Secret()};
  const SigningInput input{keys,
                           {"eu-central-1", "s3"},
                           {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
                           "s3.test",
                           at};
  REQUIRE(presign_request(head, input, life));
  return head.target;
}

std::string put(const std::string& host, const std::string& fields, const std::string& body) {
  return "PUT /bucket/key HTTP/1.1\r\nHost: " + host +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}

std::string hash_field(const std::string& body) {
  return "x-amz-content-sha256: " + hex(sha256(body)) + "\r\n";
}

}  // namespace

TEST_CASE_FIXTURE(ProxyFixture, "signing: a presigned URL is presigned anew with the real key") {
  Client client = tunnel("s3.test");
  const std::string get =
      "GET " + presigned(*this, "GET", clock.now()) + " HTTP/1.1\r\nHost: s3.test\r\n\r\n";
  CHECK(client.ask(get).starts_with("HTTP/1.1 200 "));
  std::string head = origin.last_head();
  CHECK(head.find("X-Amz-Credential=AKIAREALREALREALREAL%2F") != std::string::npos);
  CHECK(head.find(placeholder.access_key_id) == std::string::npos);
  CHECK(head.find("uthorization:") == std::string::npos);
  const std::string body = "a body";
  const std::string upload = "PUT " + presigned(*this, "PUT", clock.now()) +
                             " HTTP/1.1\r\nHost: s3.test\r\nContent-Length: 6\r\n\r\n" + body;
  CHECK(client.ask(upload).starts_with("HTTP/1.1 200 "));
  CHECK(origin.whole_bodies() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture, "signing: a presigned URL that has expired or is foreign") {
  Client client = tunnel("s3.test");
  const auto ask = [&](const std::string& target) {
    return client.ask("GET " + target + " HTTP/1.1\r\nHost: s3.test\r\n\r\n");
  };
  const std::string late = ask(presigned(*this, "GET", clock.now() - seconds(400)));
  CHECK(late.starts_with("HTTP/1.1 403 "));
  CHECK(late.find("expired") != std::string::npos);
  CHECK(ask(presigned(*this, "GET", clock.now() + seconds(3600))).starts_with("HTTP/1.1 403 "));
  std::string foreign = presigned(*this, "GET", clock.now());
  foreign.replace(foreign.find(placeholder.access_key_id), 20, "AKIAFOREIGNFOREIGN22");
  CHECK(ask(foreign).starts_with("HTTP/1.1 403 "));
  CHECK(origin.requests() == 0);
}

TEST_CASE_FIXTURE(ProxyFixture, "signing: sigv4a signs for a set of regions") {
  Client client = tunnel("v4a.test");
  CHECK(client.ask(put("v4a.test", hash_field("x"), "x")).starts_with("HTTP/1.1 200 "));
  const std::string head = origin.last_head();
  CHECK(head.find("AWS4-ECDSA-P256-SHA256 Credential=AKIAREALREALREALREAL/") != std::string::npos);
  CHECK(head.find("eu-central-1") != std::string::npos);
}

TEST_CASE_FIXTURE(ProxyFixture, "signing: sigv4:body takes no body that nobody vouches for") {
  Client client = tunnel("body.test");
  CHECK(client.ask(put("body.test", hash_field("x"), "x")).starts_with("HTTP/1.1 200 "));
  for (const std::string& fields :
       {std::string("x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"), std::string()}) {
    Client other = tunnel("body.test");
    CHECK(other.ask(put("body.test", fields, "x")).find(" 200 ") == std::string::npos);
  }
  CHECK(client.ask("GET /bucket/key HTTP/1.1\r\nHost: body.test\r\n\r\n")
            .starts_with("HTTP/1.1 200 "));
  CHECK(origin.whole_bodies() == 1);
}

TEST_CASE_FIXTURE(ProxyFixture, "signing: sigv4:no_body signs no body") {
  Client client = tunnel("nobody.test");
  for (const std::string& fields : {hash_field("x"), std::string()}) {
    CHECK(client.ask(put("nobody.test", fields, "x")).starts_with("HTTP/1.1 200 "));
    CHECK(lower(origin.last_head()).find("x-amz-content-sha256: unsigned-payload") !=
          std::string::npos);
  }
}

}  // namespace keyward::netproxy
