#include <doctest/doctest.h>

#include <string>

#include "identity/aws/answers.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

TimePoint seconds_after_epoch(long long count) { return TimePoint(std::chrono::seconds(count)); }

std::string sts(const std::string& credentials) {
  return "<AssumeRoleResponse "
         "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
         "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></"
         "AssumedRoleUser><Credentials>" +
         credentials + "</Credentials></AssumeRoleResult></AssumeRoleResponse>";
}

const std::string whole =
    "<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>wJalr/+=</SecretAccessKey>"
    "<SessionToken>AQoD+/=</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration>";

}  // namespace

TEST_CASE("aws answers: STS") {
  const auto keys = parse_sts_answer(sts(whole));
  REQUIRE(keys.has_value());
  CHECK(keys->pair.access_key_id == "ASIAEXAMPLE");
  CHECK(keys->pair.secret_access_key.equals("wJalr/+="));
  CHECK(keys->pair.session_token.equals("AQoD+/="));
  CHECK(keys->expires == seconds_after_epoch(1893553445));
}

TEST_CASE("aws answers: hostile answers of STS are refused and not quoted") {
  struct Case {
    const char* name;
    std::string xml;
  };
  const std::vector<Case> cases = {
      {"empty", ""},
      {"no XML", "{\"AccessKeyId\":\"a\"}"},
      {"cut", sts(whole).substr(0, 200)},
      {"no credentials", "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"},
      {"no token", sts("<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
                       "<Expiration>2030-01-02T03:04:05Z</Expiration>")},
      {"no expiration", sts("<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
                            "<SessionToken>t</SessionToken>")},
      {"a header in the token",
       sts("<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
           "<SessionToken>t&#13;&#10;X-Amz-Evil: 1</SessionToken>"
           "<Expiration>2030-01-02T03:04:05Z</Expiration>")},
      {"a scope in the key id",
       sts("<AccessKeyId>A/20300101/r/s</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
           "<SessionToken>t</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration>")},
      {"a key without end",
       sts("<AccessKeyId>A</AccessKeyId><SecretAccessKey>" + std::string(5000, 'h') +
           "</SecretAccessKey><SessionToken>t</SessionToken>"
           "<Expiration>2030-01-02T03:04:05Z</Expiration>")},
      {"an entity", "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" +
                        sts("<AccessKeyId>&e;</AccessKeyId>")},
      {"not a time", sts("<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
                         "<SessionToken>t</SessionToken><Expiration>tomorrow</Expiration>")}};
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      const auto keys = parse_sts_answer(c.xml);
      REQUIRE_FALSE(keys.has_value());
      CHECK(keys.error().what.find("hidden") == std::string::npos);
    }
  }
}

TEST_CASE("aws answers: why STS refused") {
  const StsProblem denied = sts_problem(
      "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
      "<Message>not authorized</Message></Error></ErrorResponse>");
  CHECK(denied.code == "AccessDenied");
  CHECK(denied.text == "AccessDenied: not authorized");
  for (const char* other : {"<html>busy</html>", ""}) {
    CHECK(sts_problem(other).code.empty());
    CHECK(sts_problem(other).text == "no reason was given");
  }
  const std::string noisy =
      sts_problem("<ErrorResponse><Error><Code>A</Code><Message>a&#10;b\xc3\xa9" +
                  std::string(1000, 'x') + "</Message></Error></ErrorResponse>")
          .text;
  CHECK(noisy.size() == 300);
  CHECK(noisy.starts_with("A: a?b??x"));
}

TEST_CASE("aws answers: metadata services") {
  const auto keys = parse_metadata_answer(
      R"({"Code":"Success","LastUpdated":"2029-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA1",)"
      R"("SecretAccessKey":"s","Token":"t","Expiration":"2030-01-02T03:04:05Z"})");
  REQUIRE(keys.has_value());
  CHECK(keys->pair.session_token.equals("t"));
  CHECK_FALSE(parse_metadata_answer(R"({"Code":"AssumeRoleUnauthorizedAccess"})").has_value());
  CHECK_FALSE(parse_metadata_answer(R"({"AccessKeyId":"A","SecretAccessKey":"s","Token":"t"})")
                  .has_value());
  CHECK_FALSE(parse_metadata_answer(R"([1])").has_value());
  CHECK_FALSE(parse_metadata_answer("<html>").has_value());
  CHECK_FALSE(parse_metadata_answer(
                  R"({"AccessKeyId":"A","AccessKeyId":"B","SecretAccessKey":"s","Token":"t",)"
                  R"("Expiration":"2030-01-02T03:04:05Z"})")
                  .has_value());
}

TEST_CASE("aws answers: credential processes") {
  const auto keys =
      parse_process_answer(R"({"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"s"})");
  REQUIRE(keys.has_value());
  CHECK_FALSE(keys->expires.has_value());
  CHECK(keys->pair.session_token.empty());
  CHECK_FALSE(
      parse_process_answer(R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"s"})").has_value());
  CHECK_FALSE(parse_process_answer(R"({"Version":"1","AccessKeyId":"A","SecretAccessKey":"s"})")
                  .has_value());
  CHECK_FALSE(parse_process_answer(R"({"Version":1,"AccessKeyId":"A"})").has_value());
  CHECK_FALSE(parse_process_answer(
                  R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"})")
                  .has_value());
}

TEST_CASE("aws answers: times") {
  struct Case {
    const char* text;
    long long seconds;
  };
  const std::vector<Case> good = {{"1970-01-01T00:00:00Z", 0},
                                  {"2030-01-02T03:04:05Z", 1893553445},
                                  {"2030-01-02T03:04:05.678Z", 1893553445},
                                  {"2030-01-02T05:04:05+02:00", 1893553445},
                                  {"2030-01-01T22:04:05-05:00", 1893553445},
                                  {"2024-02-29T00:00:00Z", 1709164800}};
  for (const Case& c : good) {
    CAPTURE(c.text);
    const auto time = parse_rfc3339(c.text);
    REQUIRE(time.has_value());
    CHECK(*time == seconds_after_epoch(c.seconds));
  }
  for (const char* text :
       {"", "2030", "2030-01-02", "2030-01-02T03:04:05", "2030-13-02T03:04:05Z",
        "2023-02-29T00:00:00Z", "2030-01-02T24:04:05Z", "2030-01-02 03:04:05Z",
        "2030-01-02T03:04:05.Z", "2030-01-02T03:04:05Zx", "2030-01-02T03:04:05+2:00"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_rfc3339(text).has_value());
  }
}
