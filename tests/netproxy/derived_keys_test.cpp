#include "netproxy/sigv4/derived_keys.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "netproxy/sigv4/signer.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* example_secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr TimePoint example_time{
    std::chrono::milliseconds(1'440'938'160'000)};  // 2015-08-30T12:36Z

DerivedKey key_of(const SigningScope& scope) {
  return {scope, derive_signing_key(Secret(example_secret), scope), *validity_of_date(scope.date)};
}

AwsCredentials with_keys(const std::vector<SigningScope>& scopes) {
  AwsCredentials credentials{"AKIDEXAMPLE", Secret(), Secret("session")};
  for (const SigningScope& scope : scopes) credentials.derived_keys.push_back(key_of(scope));
  return credentials;
}

Result<std::string> authorization(const AwsCredentials& credentials, const DerivedKey* derived,
                                  const SigningTarget& target) {
  RequestHead head;
  head.method = "GET";
  head.target = "/bucket/key";
  const SigningInput input{
      credentials,   target,       {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
      "example.com", example_time, nullptr,
      derived};
  TRY(sign_request(head, input));
  return *find_header(head.headers, "authorization");
}

}  // namespace

// AWS General Reference, "Deriving a signing key", example.
TEST_CASE("derived keys: the documented key of one date, region and service") {
  const DerivedKey key = key_of({"20150830", "us-east-1", "iam"});
  CHECK(key.bytes.size() == derived_key_size);
  CHECK(hex(as_bytes(key.bytes.reveal())) ==
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST_CASE("derived keys: signed with a derived key as with the secret itself") {
  const AwsCredentials whole{"AKIDEXAMPLE", Secret(example_secret), Secret("session")};
  const AwsCredentials derived =
      with_keys({{"20150830", "us-east-1", "s3"}, {"20150830", "eu-west-1", "s3"}});
  CHECK(*choose_key(whole, {"20150830", "us-east-1", "s3"}) == nullptr);
  for (const char* region : {"us-east-1", "eu-west-1"}) {
    CAPTURE(region);
    const auto key = choose_key(derived, {"20150830", region, "s3"});
    REQUIRE(key);
    REQUIRE(*key != nullptr);
    CHECK(*authorization(derived, *key, {region, "s3"}) ==
          *authorization(whole, nullptr, {region, "s3"}));
  }
}

TEST_CASE("derived keys: no key for exactly this date, region and service is a refusal") {
  const AwsCredentials derived = with_keys({{"20150830", "us-east-1", "s3"}});
  const DerivedKey* key = *choose_key(derived, {"20150830", "us-east-1", "s3"});
  for (const SigningScope& scope : {SigningScope{"20150831", "us-east-1", "s3"},
                                    {"20150829", "us-east-1", "s3"},
                                    {"20150830", "us-east-2", "s3"},
                                    {"20150830", "us-east-1", "sts"},
                                    {"20150830", "", "s3"}}) {
    CAPTURE(scope.text());
    const auto chosen = choose_key(derived, scope);
    REQUIRE_FALSE(chosen);
    CHECK(chosen.error().code == Code::unavailable);
    for (const std::string& part : {scope.date, scope.region, scope.service})
      CHECK(chosen.error().what.find(part) != std::string::npos);
  }
  // Nor does the signer take a key for what it is not, or sign with nothing.
  CHECK(authorization(derived, key, {"us-east-2", "s3"}).error().code == Code::unavailable);
  CHECK(authorization(derived, nullptr, {"us-east-1", "s3"}).error().code == Code::unavailable);
  CHECK(choose_key(with_keys({}), {"20150830", "us-east-1", "s3"}).error().code ==
        Code::unavailable);
}

TEST_CASE("derived keys: a date's signatures are taken on its day and in the skew around it") {
  const auto validity = validity_of_date("20150830");
  REQUIRE(validity);
  CHECK(iso_time(validity->not_before) == "2015-08-29T23:45:00.000Z");
  CHECK(iso_time(validity->not_after) == "2015-08-31T00:15:00.000Z");
  CHECK(validity_of_date("20240229"));
  for (const char* date :
       {"", "2015083", "201508300", "20150832", "20151301", "20150230", "20150000", "2015-8-3",
        "+2015083", " 2015083", "2015083x", "20230229"}) {
    CAPTURE(date);
    CHECK_FALSE(validity_of_date(date));
  }
}

TEST_CASE("derived keys: regions and services are names, never patterns") {
  for (const char* name : {"s3", "us-east-1", "execute-api", "us-gov-west-1"})
    CHECK(is_scope_name(name));
  for (const std::string& name :
       {std::string(), std::string("*"), std::string("us-*"), std::string("a/b"), std::string("S3"),
        std::string("s3 "), std::string("s\n3"), std::string("s\0003", 3), std::string(65, 'a')})
    CHECK_FALSE(is_scope_name(name));
}
