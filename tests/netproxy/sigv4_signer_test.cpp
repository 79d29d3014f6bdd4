#include <doctest/doctest.h>

#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/signer.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* some_hash =
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

RequestHead put_head(Headers headers) {
  RequestHead head;
  head.method = "PUT";
  head.target = "/bucket/key";
  head.headers = std::move(headers);
  head.framing = Framing::length;
  head.content_length = 5;
  return head;
}

TimePoint example_time() {
  return TimePoint(std::chrono::milliseconds(1369353600000));
}  // 2013-05-24T00:00:00Z

AwsCredentials example_keys() {
  return {"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Secret()};
}

}  // namespace

// S3 API Reference, "Signature calculations for the Authorization header", examples.
TEST_CASE("signer: the S3 examples, through the whole rewrite of a head") {
  struct Case {
    const char* target;
    Headers headers;
    const char* hash;
    const char* method;
    const char* signature;
  };
  const std::vector<Case> cases = {
      {"/test.txt",
       {{"Range", "bytes=0-9"}},
       empty_hash,
       "GET",
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"/?lifecycle",
       {},
       empty_hash,
       "GET",
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"/?max-keys=2&prefix=J",
       {},
       empty_hash,
       "GET",
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}};
  const AwsCredentials keys = example_keys();
  for (const Case& c : cases) {
    CAPTURE(c.target);
    RequestHead head;
    head.method = c.method;
    head.target = c.target;
    head.headers = c.headers;
    // What a client with the placeholder left behind must not survive.
    head.headers.push_back(
        {"Authorization",
         "AWS4-HMAC-SHA256 Credential=PLACEHOLDER/20130524/us-east-1/s3/aws4_request, …"});
    head.headers.push_back({"x-amz-date", "20000101T000000Z"});
    head.headers.push_back({"x-amz-security-token", "placeholder-token"});
    const SigningInput input{keys,
                             {"us-east-1", "s3"},
                             {PayloadMode::empty, c.hash},
                             "examplebucket.s3.amazonaws.com",
                             example_time()};
    REQUIRE(sign_request(head, input).has_value());
    const std::string* value = find_header(head.headers, "authorization");
    REQUIRE(value != nullptr);
    CHECK(count_headers(head.headers, "authorization") == 1);
    CHECK(count_headers(head.headers, "x-amz-security-token") == 0);
    CHECK(value->ends_with(c.signature));
  }
}

TEST_CASE("signer: S3 keys keep their bytes, and what is signed is what is sent") {
  const AwsCredentials keys = example_keys();
  struct Case {
    const char* target;
    const char* sent;
  };
  for (const Case& c : {Case{"/b/a%20b", "/b/a%20b"},
                        {"/b/a+b", "/b/a%2Bb"},
                        {"/b//x/../y", "/b//x/../y"},
                        {"/b/%c3%a9", "/b/%C3%A9"},
                        {"/b/mac@2x.png?acl", "/b/mac%402x.png?acl"},
                        {"/b/k?x=a/b", "/b/k?x=a%2Fb"}}) {
    CAPTURE(c.target);
    RequestHead head;
    head.method = "GET";
    head.target = c.target;
    REQUIRE(sign_request(
                head,
                {keys, {"us-east-1", "s3"}, {PayloadMode::empty, empty_hash}, "h", example_time()})
                .has_value());
    CHECK(head.target == c.sent);
  }
}

TEST_CASE("target: other services get the path as it is, and sign it encoded once more") {
  struct Case {
    const char* target;
    const char* sent;
    const char* path;
  };
  for (const Case& c : {Case{"/model/a%3A0/invoke", "/model/a%3A0/invoke", "/model/a%253A0/invoke"},
                        {"/a+b:c", "/a+b:c", "/a%2Bb%3Ac"},
                        {"/a%2Fb", "/a%2Fb", "/a%252Fb"},
                        {"/a//b/../c/", "/a/c/", "/a/c/"},
                        {"", "/", "/"}}) {
    CAPTURE(c.target);
    const auto target = canonical_target(c.target, general_path_style);
    REQUIRE(target.has_value());
    CHECK(target->sent == c.sent);
    CHECK(target->path == c.path);
  }
  CHECK_FALSE(canonical_target("/%zz", general_path_style).has_value());
  CHECK_FALSE(canonical_target("/%zz", s3_path_style).has_value());
  CHECK_FALSE(canonical_target("/?a=%zz", s3_path_style).has_value());
}

TEST_CASE("signer: every x-amz header that leaves is signed, what intermediaries change is not") {
  const AwsCredentials keys = example_keys();
  RequestHead head = put_head({{"x-amz-acl", "private"},
                               {"X-Amz-Meta-A", "1"},
                               {"x-amz-meta-a", "2"},
                               {"Content-Type", "text/plain"},
                               {"User-Agent", "aws-cli"},
                               {"Accept-Encoding", "identity"},
                               {"amz-sdk-invocation-id", "x"},
                               {"Transfer-Encoding", "chunked"},
                               {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                               {"x-amz-s3session-token", "placeholder"}});
  REQUIRE(sign_request(head, {keys,
                              {"us-east-1", "s3"},
                              {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
                              "h",
                              example_time()})
              .has_value());
  const std::string& value = *find_header(head.headers, "authorization");
  CHECK(value.find("SignedHeaders=content-type;host;x-amz-acl;x-amz-content-sha256;x-amz-date;"
                   "x-amz-meta-a,") != std::string::npos);
  CHECK(find_header(head.headers, "date") == nullptr);
  CHECK(find_header(head.headers, "x-amz-s3session-token") == nullptr);
  CHECK(*find_header(head.headers, "x-amz-content-sha256") == "UNSIGNED-PAYLOAD");
}

TEST_CASE("signer: a session token is sent and signed") {
  AwsCredentials keys = example_keys();
  keys.session_token = Secret("session");
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  REQUIRE(
      sign_request(
          head, {keys, {"eu-west-1", "sts"}, {PayloadMode::empty, empty_hash}, "h", example_time()})
          .has_value());
  CHECK(*find_header(head.headers, "x-amz-security-token") == "session");
  CHECK(find_header(head.headers, "authorization")->find("x-amz-security-token") !=
        std::string::npos);
}

TEST_CASE("payload: the mode follows the client's x-amz-content-sha256") {
  CHECK(choose_payload(put_head({{"x-amz-content-sha256", some_hash}}), "s3")->mode ==
        PayloadMode::hex_hash);
  CHECK(choose_payload(put_head({{"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}}), "s3")->mode ==
        PayloadMode::unsigned_payload);
  CHECK(choose_payload(put_head({{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
                                 {"x-amz-decoded-content-length", "5"},
                                 {"x-amz-trailer", "x-amz-checksum-crc32"}}),
                       "s3")
            ->mode == PayloadMode::unsigned_trailer);
  const auto chunks =
      choose_payload(put_head({{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
                               {"x-amz-decoded-content-length", "5"}}),
                     "s3");
  REQUIRE(chunks.has_value());
  CHECK(chunks->mode == PayloadMode::signed_chunks);
  CHECK(chunks->chunked->decoded_length == 5);
  RequestHead bare;
  CHECK(choose_payload(bare, "s3")->mode == PayloadMode::empty);
}

TEST_CASE("payload: refuses what it cannot sign rightly") {
  for (const Headers& headers : std::vector<Headers>{
           {},
           {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}},
           {{"x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"}},
           {{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}},
           {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"}},
           {{"x-amz-content-sha256", "unsigned-payload"}},
           {{"x-amz-content-sha256", empty_hash}},
           {{"x-amz-content-sha256", some_hash}, {"x-amz-content-sha256", some_hash}}}) {
    CAPTURE(headers.empty() ? "absent" : headers[0].value);
    CHECK_FALSE(choose_payload(put_head(headers), "s3").has_value());
  }
}

TEST_CASE("scope: reads the client's own signature strictly") {
  const auto with = [](const char* value) { return put_head({{"Authorization", value}}); };
  const auto scope = client_scope(
      with("AWS4-HMAC-SHA256 "
           "Credential=AKIA/20130524/us-east-1/s3/aws4_request,SignedHeaders=host, Signature=00"));
  REQUIRE(scope.has_value());
  REQUIRE(scope->has_value());
  CHECK((*scope)->access_key_id == "AKIA");
  CHECK((*scope)->region == "us-east-1");
  CHECK_FALSE(client_scope(put_head({}))->has_value());
  for (const char* bad :
       {"Basic abc", "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKIA/x/s3/aws4_request, SignedHeaders=a, Signature=b",
        "AWS4-ECDSA-P256-SHA256 Credential=AKIA/s3/aws4_request, SignedHeaders=a, Signature=b",
        "AWS4-HMAC-SHA256 Credential=A/2/3/4/aws4_request, Credential=A/2/3/4/aws4_request, "
        "Signature=b"}) {
    CAPTURE(bad);
    CHECK_FALSE(client_scope(with(bad)).has_value());
  }
  RequestHead presigned;
  for (const char* target :
       {"/k?X-Amz-Signature=00", "/k?a=b&x-amz-credential=c", "/k?X%2DAmz%2DSignature=00",
        "/k?%58-amz-signature=00", "/k?a&X-Amz-Algorithm"}) {
    CAPTURE(target);
    presigned.target = target;
    CHECK_FALSE(client_scope(presigned).has_value());
  }
}

TEST_CASE("target: policy, then client where it agrees, then host; never a guess") {
  const std::optional<ClientScope> paris = ClientScope{"AKIA", "20130524", "eu-west-3", "s3"};
  CHECK(choose_target("eu-west-1", "s3", paris, "s3.test")->region == "eu-west-1");
  CHECK(choose_target("", "s3", paris, "s3.test")->region == "eu-west-3");
  CHECK(choose_target("", "s3", std::nullopt, "bucket.s3.us-west-2.amazonaws.com")->region ==
        "us-west-2");
  CHECK_FALSE(choose_target("", "s3", paris, "s3.us-west-2.amazonaws.com").has_value());
  CHECK_FALSE(choose_target("", "sts", paris, "s3.test").has_value());
  CHECK_FALSE(choose_target("", "s3", std::nullopt, "s3.test").has_value());
}
