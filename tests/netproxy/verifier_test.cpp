// What the verifier refuses, and with which of S3's errors.

#include "netproxy/sigv4/verifier.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* now = "20130524T000000Z";
constexpr const char* host = "examplebucket.s3.amazonaws.com";
const Payload no_body{PayloadMode::empty, std::string(empty_hash)};
const Payload unsigned_body{PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"};

SigningTarget s3_target(SigningAlgorithm algorithm = SigningAlgorithm::hmac) {
  return {"us-east-1", "s3", algorithm};
}

RequestHead signed_get(const char* date = now,
                       SigningAlgorithm algorithm = SigningAlgorithm::hmac) {
  RequestHead head =
      head_of("GET", "/key?list-type=2", {{"x-amz-meta-a", "1"}, {"Range", "bytes=0-9"}});
  const AwsCredentials keys = s3_credentials();
  REQUIRE(sign_request(head, {keys, s3_target(algorithm), no_body, host, time_of(date)}));
  return head;
}

RequestHead presigned_get(const char* date = now, int expires = 3600,
                          SigningAlgorithm algorithm = SigningAlgorithm::hmac) {
  RequestHead head = head_of("GET", "/key");
  const AwsCredentials keys = s3_credentials();
  REQUIRE(presign_request(head, {keys, s3_target(algorithm), unsigned_body, host, time_of(date)},
                          std::chrono::seconds(expires)));
  return head;
}

S3Result<VerifiedRequest> verify(const RequestHead& head, const char* at = now,
                                 const char* region = "us-east-1") {
  OneKey keys = OneKey::with_secret(s3_key_id, s3_secret);
  return verify_request(head, {"s3", region, s3_path_style, time_of(at)}, keys);
}

void check_refused(const RequestHead& head, S3Code code) {
  const auto verified = verify(head);
  REQUIRE_FALSE(verified.has_value());
  CHECK_MESSAGE(verified.error().code == code, verified.error().message);
}

std::string& header(RequestHead& head, std::string_view name) {
  for (Header& h : head.headers)
    if (equals_ignoring_case(h.name, name)) return h.value;
  FAIL("no such header");
  return head.headers[0].value;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string detail(const S3Error& error, std::string_view name) {
  for (const auto& [key, value] : error.details)
    if (key == name) return value;
  return {};
}

}  // namespace

TEST_CASE("verifier: what is signed is accepted, in both forms and algorithms") {
  for (const SigningAlgorithm algorithm : {SigningAlgorithm::hmac, SigningAlgorithm::ecdsa}) {
    const auto verified = verify(signed_get(now, algorithm));
    REQUIRE(verified.has_value());
    CHECK(verified->claim.access_key_id == s3_key_id);
    CHECK(verified->claim.scope.algorithm == algorithm);
    CHECK(verified->payload_hash == empty_hash);
    CHECK(verify(presigned_get(now, 3600, algorithm)).has_value());
  }
}

TEST_CASE("verifier: every part of an Authorization, altered") {
  const std::string good = header(*std::make_unique<RequestHead>(signed_get()), "authorization");
  struct Case {
    const char* from;
    const char* to;
    S3Code code;
  };
  constexpr S3Code malformed = S3Code::authorization_header_malformed;
  for (const Case& c :
       std::vector<Case>{{"AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 ", S3Code::invalid_argument},
                         {"AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 ", S3Code::invalid_argument},
                         {"AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", malformed},
                         {"AWS4-HMAC-SHA256 ", "", S3Code::invalid_argument},
                         {s3_key_id, "AKIAOTHER", S3Code::invalid_access_key_id},
                         {s3_key_id, "", malformed},
                         {s3_key_id, "AK IA", malformed},
                         {"/20130524/", "/20130525/", malformed},
                         {"/20130524/", "/2013052x/", malformed},
                         {"/us-east-1/", "/us-west-1/", malformed},
                         {"/us-east-1/", "/", malformed},
                         {"/us-east-1/", "//", malformed},
                         {"/s3/", "/sts/", malformed},
                         {"aws4_request", "aws4_reques", malformed},
                         {"Credential=", "credential=", malformed},
                         {"Credential=", "Credential=a, Credential=", malformed},
                         {", SignedHeaders", ", Extra=1, SignedHeaders", malformed},
                         {"host;", "", S3Code::access_denied},
                         {"x-amz-meta-a", "x-amz-meta-b", S3Code::access_denied},
                         {";x-amz-meta-a", "", S3Code::access_denied},
                         {";x-amz-date", "", S3Code::access_denied},
                         {";range", ";range;range", malformed},
                         {"host;range", "range;host", malformed},
                         {"host;", "Host;", malformed},
                         {"host;", "host;;", malformed},
                         {"host;", "content-type;host;", S3Code::access_denied},
                         {";range", "", S3Code::signature_does_not_match},
                         {"Signature=", "Signature=0", malformed},
                         {"Signature=", "Signature=\"", malformed}}) {
    CAPTURE(c.from);
    CAPTURE(c.to);
    RequestHead head = signed_get();
    header(head, "authorization") = replaced(good, c.from, c.to);
    check_refused(head, c.code);
  }
  for (std::size_t i = good.size() - 64; i < good.size(); ++i) {
    RequestHead head = signed_get();
    std::string& value = header(head, "authorization");
    value[i] = value[i] == '0' ? '1' : '0';
    check_refused(head, S3Code::signature_does_not_match);
    value[i] = 'A';
    check_refused(head, S3Code::authorization_header_malformed);
  }
}

TEST_CASE("verifier: every part of the request, altered") {
  struct Case {
    const char* name;
    std::function<void(RequestHead&)> alter;
    S3Code code;
  };
  constexpr S3Code mismatch = S3Code::signature_does_not_match;
  for (const Case& c : std::vector<Case>{
           {"method", [](RequestHead& h) { h.method = "HEAD"; }, mismatch},
           {"path", [](RequestHead& h) { h.target = "/Key?list-type=2"; }, mismatch},
           {"double slash", [](RequestHead& h) { h.target = "//key?list-type=2"; }, mismatch},
           {"query value", [](RequestHead& h) { h.target = "/key?list-type=1"; }, mismatch},
           {"query item", [](RequestHead& h) { h.target += "&acl"; }, mismatch},
           {"bad triplet", [](RequestHead& h) { h.target += "&a=%z"; }, S3Code::invalid_argument},
           {"host", [](RequestHead& h) { header(h, "host") = "other"; }, mismatch},
           {"signed header", [](RequestHead& h) { header(h, "range") = "bytes=0-8"; }, mismatch},
           {"metadata twice", [](RequestHead& h) { h.headers.push_back({"x-amz-meta-a", "2"}); },
            mismatch},
           {"unsigned x-amz", [](RequestHead& h) { h.headers.push_back({"X-Amz-Acl", "public"}); },
            S3Code::access_denied},
           {"host twice", [](RequestHead& h) { h.headers.push_back({"host", host}); },
            S3Code::invalid_argument},
           {"date twice", [](RequestHead& h) { h.headers.push_back({"x-amz-date", now}); },
            S3Code::invalid_argument},
           {"authorization twice",
            [](RequestHead& h) { h.headers.push_back({"Authorization", "Basic eA=="}); },
            S3Code::invalid_argument},
           {"both forms", [](RequestHead& h) { h.target += "&X-Amz-Signature=0"; },
            S3Code::invalid_argument},
           {"no date", [](RequestHead& h) { remove_header(h.headers, "x-amz-date"); },
            S3Code::access_denied},
           {"another date", [](RequestHead& h) { header(h, "x-amz-date") = "20130524T000001Z"; },
            mismatch},
           {"bad date", [](RequestHead& h) { header(h, "x-amz-date") = "20130524T240000Z"; },
            S3Code::authorization_header_malformed},
           {"no payload hash",
            [](RequestHead& h) { remove_header(h.headers, "x-amz-content-sha256"); },
            S3Code::access_denied},
           {"another payload",
            [](RequestHead& h) { header(h, "x-amz-content-sha256") = "UNSIGNED-PAYLOAD"; },
            mismatch},
           {"unknown payload",
            [](RequestHead& h) { header(h, "x-amz-content-sha256") = "STREAMING-X"; },
            S3Code::invalid_argument},
           {"ECDSA chunks",
            [](RequestHead& h) {
              header(h, "x-amz-content-sha256") = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
            },
            S3Code::invalid_request},
           {"anonymous", [](RequestHead& h) { remove_header(h.headers, "authorization"); },
            S3Code::access_denied}}) {
    CAPTURE(c.name);
    RequestHead head = signed_get();
    c.alter(head);
    check_refused(head, c.code);
  }
  RequestHead chunks =
      head_of("PUT", "/key",
              {{"Host", host}, {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}});
  check_refused(chunks, S3Code::invalid_request);
}

TEST_CASE("verifier: a presigned URL, altered") {
  struct Case {
    const char* from;
    const char* to;
    S3Code code;
  };
  constexpr S3Code malformed = S3Code::authorization_query_parameters_error;
  constexpr S3Code mismatch = S3Code::signature_does_not_match;
  for (const Case& c : std::vector<Case>{
           {"/key?", "/keys?", mismatch},
           {"/key?", "/key?a=b&", mismatch},
           {"X-Amz-Algorithm=", "x-amz-algorithm=", malformed},
           {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", malformed},
           {"HMAC", "HMACX", malformed},
           {"X-Amz-Date=", "X-Amz-Dat=", malformed},
           {"Z&X-Amz-Expires", "&X-Amz-Expires", malformed},
           {"=20130524T000000Z", "=20130524T000001Z", mismatch},
           {"=20130524T000000Z", "=20130525T000000Z", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=3601", mismatch},
           {"X-Amz-Expires=3600", "X-Amz-Expires=0", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=-1", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=604801", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=99999999999999999999", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=36x", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=", malformed},
           {"X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=3600", malformed},
           {"X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", malformed},
           {"X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range", S3Code::access_denied},
           {"X-Amz-SignedHeaders=host", "X-Amz-Security-Token=t&X-Amz-SignedHeaders=host",
            mismatch},
           {"X-Amz-Signature=", "X-Amz-Signature=0", malformed},
           {"X-Amz-Signature=", "X%2DAmz-Signature=0&X-Amz-Signature=", malformed},
           {"us-east-1", "us-west-1", malformed}}) {
    CAPTURE(c.from);
    CAPTURE(c.to);
    RequestHead head = presigned_get();
    head.target = replaced(head.target, c.from, c.to);
    check_refused(head, c.code);
  }
  RequestHead unsigned_header = presigned_get();
  unsigned_header.headers.push_back({"x-amz-acl", "public-read"});
  check_refused(unsigned_header, S3Code::access_denied);
  RequestHead both = presigned_get();
  both.headers.push_back({"Authorization", "Bearer x"});
  check_refused(both, S3Code::invalid_argument);
}

TEST_CASE("verifier: the clock") {
  struct Case {
    const char* at;
    bool accepted;
    const char* words;
  };
  for (const Case& c : {Case{"20130524T001500Z", true, ""},
                        {"20130523T234500Z", true, ""},
                        {"20130524T001501Z", false, "901 s behind"},
                        {"20130523T234459Z", false, "901 s ahead"},
                        {"20130525T000000Z", false, "86400 s behind"}}) {
    CAPTURE(c.at);
    const auto verified = verify(signed_get(), c.at);
    REQUIRE(verified.has_value() == c.accepted);
    if (c.accepted) continue;
    CHECK(verified.error().code == S3Code::request_time_too_skewed);
    CHECK(verified.error().message.find(c.words) != std::string::npos);
    CHECK(detail(verified.error(), "RequestTime") == now);
    CHECK(detail(verified.error(), "MaxAllowedSkewMilliseconds") == "900000");
  }
}

TEST_CASE("verifier: a presigned URL's life") {
  struct Case {
    const char* at;
    bool accepted;
  };
  for (const Case& c : {Case{"20130523T234500Z", true},
                        {"20130523T234459Z", false},
                        {"20130524T010000Z", true},
                        {"20130524T010001Z", false}}) {
    CAPTURE(c.at);
    const auto verified = verify(presigned_get(now, 3600), c.at);
    REQUIRE(verified.has_value() == c.accepted);
    if (!c.accepted) CHECK(verified.error().code == S3Code::access_denied);
  }
  CHECK(verify(presigned_get(now, 604800), "20130530T235959Z").has_value());
  CHECK(detail(verify(presigned_get(now, 60), "20130525T000000Z").error(), "X-Amz-Expires") ==
        "60");
}

TEST_CASE("verifier: regions of both algorithms") {
  CHECK(verify(signed_get(), now, "").has_value());
  CHECK(detail(verify(signed_get(), now, "eu-west-1").error(), "Region") == "eu-west-1");
  const RequestHead ecdsa = signed_get(now, SigningAlgorithm::ecdsa);
  CHECK(verify(ecdsa, now, "").has_value());
  CHECK(verify(ecdsa, now, "eu-west-1").error().code == S3Code::authorization_header_malformed);
  RequestHead bare = ecdsa;
  remove_header(bare.headers, "x-amz-region-set");
  CHECK_FALSE(verify(bare).has_value());
}

TEST_CASE("verifier: SigV4a signatures are DER, and a key serves its algorithm only") {
  RequestHead head = signed_get(now, SigningAlgorithm::ecdsa);
  std::string& value = header(head, "authorization");
  for (const char* bad : {"", "00", "3006020101020101", "zz"}) {
    const std::string kept = value;
    value = value.substr(0, value.find("Signature=") + 10) + bad;
    CAPTURE(bad);
    CHECK_FALSE(verify(head).has_value());
    value = kept;
  }
  OneKey derived(s3_key_id, [](const SignatureClaim&) -> VerificationKey {
    return DerivedSigningKey{Secret(std::string(32, 'k'))};
  });
  const VerifierRules rules{"s3", "us-east-1", s3_path_style, time_of(now)};
  CHECK(verify_request(head, rules, derived).error().code == S3Code::invalid_access_key_id);
  const auto pair = P256PrivateKey::from_scalar(Secret(std::string(32, 'k')));
  OneKey public_key(s3_key_id, [&](const SignatureClaim&) { return pair->public_key(); });
  CHECK(verify_request(signed_get(), rules, public_key).error().code ==
        S3Code::invalid_access_key_id);
}

TEST_CASE("verifier: a mismatch helps the client and keeps its token") {
  RequestHead head = signed_get();
  head.method = "PUT";
  const S3Error error = verify(head).error();
  CHECK(detail(error, "AWSAccessKeyId") == s3_key_id);
  CHECK(detail(error, "StringToSign").starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n"));
  CHECK(detail(error, "StringToSignBytes").starts_with("41 57 53 34 "));
  CHECK(detail(error, "CanonicalRequest").starts_with("PUT\n/key\nlist-type=2\n"));

  AwsCredentials keys = s3_credentials();
  keys.session_token = Secret("a-session-token");
  RequestHead temporary = head_of("GET", "/key");
  REQUIRE(sign_request(temporary, {keys, s3_target(), no_body, host, time_of(now)}));
  CHECK(verify(temporary)->claim.session_token.equals("a-session-token"));
  temporary.method = "PUT";
  const S3Error quiet = verify(temporary).error();
  for (const auto& [name, text] : quiet.details) {
    CAPTURE(name);
    CHECK(text.find("a-session-token") == std::string::npos);
  }
}

TEST_CASE("verifier: other services may leave the payload hash out") {
  const AwsCredentials keys = s3_credentials();
  RequestHead head = head_of("POST", "/a//b/../c?x=1", {{"Content-Type", "text/plain"}});
  REQUIRE(sign_request(head, {keys, {"us-east-1", "sqs"}, no_body, host, time_of(now)}));
  OneKey known = OneKey::with_secret(s3_key_id, s3_secret);
  const VerifierRules rules{"sqs", "us-east-1", general_path_style, time_of(now)};
  CHECK(verify_request(head, rules, known).has_value());
  RequestHead with_body = head_of("POST", "/", {{"Host", "h"}, {"X-Amz-Date", now}});
  with_body.framing = Framing::length;
  with_body.headers.push_back(
      {"Authorization", "AWS4-HMAC-SHA256 Credential=" + std::string(s3_key_id) +
                            "/20130524/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, "
                            "Signature=" +
                            std::string(64, '0')});
  CHECK(verify_request(with_body, rules, known).error().code == S3Code::invalid_request);
  with_body.framing = Framing::none;
  CHECK(verify_request(with_body, rules, known).error().code == S3Code::signature_does_not_match);
}
