// Presigned URLs, derived keys and SigV4a on the signing side; each result is verified with the
// real key.

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* now = "20130524T000000Z";
constexpr const char* host = "examplebucket.s3.amazonaws.com";
constexpr const char* real_id = "AKIAREAL";
constexpr const char* real_secret = "the real secret";

const Payload unsigned_body{PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"};

AwsCredentials real_credentials() { return {real_id, Secret(real_secret), Secret()}; }

SigningInput input_of(const AwsCredentials& keys, const char* at = now) {
  return {keys, {"us-east-1", "s3"}, unsigned_body, host, time_of(at)};
}

RequestHead by_placeholder(std::string target, int expires = 3600) {
  RequestHead head = head_of("GET", std::move(target));
  const AwsCredentials keys = s3_credentials();
  REQUIRE(presign_request(head, input_of(keys), std::chrono::seconds(expires)));
  return head;
}

S3Result<VerifiedRequest> verify_real(const RequestHead& head, const char* at = now,
                                      PathStyle style = s3_path_style) {
  OneKey keys = OneKey::with_secret(real_id, real_secret);
  const char* service = style.encode_again ? "sqs" : "s3";
  return verify_request(head, {service, "us-east-1", style, time_of(at)}, keys);
}

}  // namespace

TEST_CASE("presign: a placeholder's URL gets the real key, and what is left of its life") {
  const AwsCredentials keys = real_credentials();
  RequestHead head = by_placeholder("/a%20key?response-content-type=a/b&versionId=1");
  REQUIRE(represign_request(head, input_of(keys, "20130524T001000Z")));
  CHECK(head.target.starts_with(
      "/a%20key?response-content-type=a%2Fb&versionId=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
  CHECK(head.target.find(s3_key_id) == std::string::npos);
  CHECK(head.target.find("X-Amz-Date=20130524T001000Z&X-Amz-Expires=3000&") != std::string::npos);
  CHECK(verify_real(head, "20130524T010000Z").has_value());
  CHECK_FALSE(verify_real(head, "20130524T010001Z").has_value());
}

TEST_CASE("presign: what cannot be presigned anew") {
  const AwsCredentials keys = real_credentials();
  RequestHead expired = by_placeholder("/key", 60);
  CHECK(represign_request(expired, input_of(keys, "20130524T000100Z")).error().code ==
        Code::denied);
  RequestHead early = by_placeholder("/key");
  CHECK(represign_request(early, input_of(keys, "20130523T234459Z")).error().code == Code::denied);
  RequestHead plain = head_of("GET", "/key", {{"Host", host}});
  CHECK(represign_request(plain, input_of(keys)).error().code == Code::invalid);
  RequestHead unsigned_header = by_placeholder("/key");
  unsigned_header.headers.push_back({"x-amz-acl", "public-read"});
  CHECK(represign_request(unsigned_header, input_of(keys)).error().code == Code::invalid);
  for (const int expires : {0, -1, 604801}) {
    RequestHead head = head_of("GET", "/key");
    CHECK(presign_request(head, input_of(keys), std::chrono::seconds(expires)).error().code ==
          Code::invalid);
  }
}

TEST_CASE("presign: headers that stay are signed, what the client signed with is gone") {
  const AwsCredentials keys = real_credentials();
  RequestHead head = head_of("PUT", "/key?X-Amz-Signature=0&x-amz-date=1&a",
                             {{"x-amz-acl", "private"},
                              {"Content-Type", "text/plain"},
                              {"User-Agent", "curl"},
                              {"X-Amz-Date", "20000101T000000Z"},
                              {"Authorization", "AWS4-HMAC-SHA256 Credential=x"},
                              {"x-amz-security-token", "placeholder"}});
  REQUIRE(presign_request(head, input_of(keys), std::chrono::seconds(60)));
  CHECK(head.target.starts_with("/key?a&X-Amz-Algorithm="));
  CHECK(head.target.find("X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl&") !=
        std::string::npos);
  CHECK(verify_real(head).has_value());
  head.headers[0].value = "public-read";
  CHECK(verify_real(head).error().code == S3Code::signature_does_not_match);
}

TEST_CASE("presign: a session token, another payload and another service") {
  AwsCredentials keys = real_credentials();
  keys.session_token = Secret("token/+=");
  RequestHead head = head_of("GET", "/key");
  SigningInput input = input_of(keys);
  input.payload = {PayloadMode::empty, std::string(empty_hash)};
  REQUIRE(presign_request(head, input, std::chrono::seconds(60)));
  const auto verified = verify_real(head);
  REQUIRE(verified.has_value());
  CHECK(verified->claim.session_token.equals("token/+="));
  CHECK(verified->payload_hash == empty_hash);

  RequestHead other = head_of("GET", "/q//./x y?b=2&a=1");
  input.target = {"us-east-1", "sqs"};
  REQUIRE(presign_request(other, input, std::chrono::seconds(60)));
  CHECK(other.target.starts_with("/q/x y?b=2&a=1&X-Amz-Algorithm="));
  CHECK(verify_real(other, now, general_path_style).has_value());
}

TEST_CASE("signer: a header signature replaces a presigned one") {
  const AwsCredentials keys = real_credentials();
  RequestHead head = by_placeholder("/key?versionId=1");
  const auto seed = sign_request(head, input_of(keys));
  REQUIRE(seed.has_value());
  CHECK(head.target == "/key?versionId=1");
  const auto verified = verify_real(head);
  REQUIRE(verified.has_value());
  CHECK(verified->claim.signature == *seed);
}

TEST_CASE("signer: a derived key signs for its scope and no other") {
  const AwsCredentials keys{real_id, Secret(), Secret()};
  const SigningScope scope{"20130524", "us-east-1", "s3"};
  const DerivedKey derived{scope, derive_signing_key(Secret(real_secret), scope)};
  SigningInput input = input_of(keys);
  RequestHead without = head_of("GET", "/key");
  CHECK(sign_request(without, input).error().code == Code::unavailable);
  input.derived = &derived;
  RequestHead head = head_of("GET", "/key");
  REQUIRE(sign_request(head, input));
  CHECK(verify_real(head).has_value());
  SigningInput other_day = input, other_region = input, other_service = input, sigv4a = input;
  other_day.now = time_of("20130525T000000Z");
  other_region.target.region = "eu-west-1";
  other_service.target.service = "s3express";
  sigv4a.target.algorithm = SigningAlgorithm::ecdsa;
  for (const SigningInput* other : {&other_day, &other_region, &other_service, &sigv4a}) {
    RequestHead refused = head_of("GET", "/key");
    CHECK(sign_request(refused, *other).error().code == Code::unavailable);
  }
}

TEST_CASE("signer: SigV4a sends and signs its region set") {
  const AwsCredentials keys = real_credentials();
  SigningKeys kept;
  SigningInput input = input_of(keys);
  input.keys = &kept;
  input.target = {"us-east-1,eu-*", "s3", SigningAlgorithm::ecdsa};
  RequestHead head = head_of("GET", "/key", {{"x-amz-region-set", "*"}});
  REQUIRE(sign_request(head, input));
  CHECK(count_headers(head.headers, "x-amz-region-set") == 1);
  CHECK(*find_header(head.headers, "x-amz-region-set") == "us-east-1,eu-*");
  CHECK(find_header(head.headers, "authorization")
            ->starts_with("AWS4-ECDSA-P256-SHA256 Credential=AKIAREAL/20130524/s3/aws4_request, "));
  CHECK(verify_real(head).has_value());
  RequestHead presigned = head_of("GET", "/key");
  REQUIRE(presign_request(presigned, input, std::chrono::seconds(60)));
  CHECK(presigned.target.find("X-Amz-Region-Set=us-east-1%2Ceu-%2A") != std::string::npos);
  CHECK(verify_real(presigned).has_value());
}

TEST_CASE("signer: nothing is signed without a region or a service") {
  const AwsCredentials keys = real_credentials();
  for (const SigningTarget& target : {SigningTarget{"", "s3"}, SigningTarget{"us-east-1", ""}}) {
    SigningInput input = input_of(keys);
    input.target = target;
    RequestHead head = head_of("GET", "/key");
    CHECK(sign_request(head, input).error().code == Code::invalid);
  }
  RequestHead options = head_of("OPTIONS", "*");
  CHECK(sign_request(options, input_of(keys)).error().code == Code::invalid);
}

TEST_CASE("scope: a client's SigV4a and presigned signatures are read") {
  const RequestHead presigned = by_placeholder("/key");
  const auto scope = client_scope(presigned);
  REQUIRE(scope.has_value());
  CHECK((*scope)->presigned);
  CHECK((*scope)->access_key_id == s3_key_id);
  const auto ecdsa =
      client_scope(head_of("GET", "/",
                           {{"Authorization",
                             "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20130524/s3/aws4_request, "
                             "SignedHeaders=host, Signature=00"},
                            {"x-amz-region-set", "us-*"}}));
  REQUIRE(ecdsa.has_value());
  CHECK((*ecdsa)->algorithm == SigningAlgorithm::ecdsa);
  CHECK((*ecdsa)->region == "us-*");
}
