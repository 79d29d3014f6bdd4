// The roles of a grant, asked for at a server that answers as it wants.
#include "identity/oauth/sts_client.hpp"

#include <doctest/doctest.h>

#include <atomic>

#include "identity/oauth/sts_answer.hpp"
#include "tests/support/http_service.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using tests::HttpService;
using tests::Reply;

namespace {

const SystemClock wall;
const BootClock boot;
const TimePoint now = parse_amz_date("20260101T120000Z").value();
constexpr const char* xml_type = "Content-Type: text/xml\r\n";

std::string keys_xml(const std::string& id, const std::string& end = "2099-01-01T00:00:00Z") {
  return "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" + id +
         "</AccessKeyId><SecretAccessKey>secret-of-" + id +
         "</SecretAccessKey><SessionToken>session-of-" + id + "</SessionToken><Expiration>" + end +
         "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
}

std::string error_xml(const std::string& code, const std::string& message = "no") {
  return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message +
         "</Message></Error></ErrorResponse>";
}

Grant grant_at(const HttpService& sts) {
  Grant grant;
  grant.kind = GrantKind::aws_web_identity;
  grant.token_endpoint = "http://" + sts.url().authority();
  grant.svid_audience = "sts.amazonaws.com";
  grant.aws = {"eu-central-1", {{"arn:aws:iam::1:role/first", "", "", 900s}}};
  return grant;
}

JwtSvid svid(bool has_issuer = true) {
  return {Secret("head.claims.signature"),
          {"spiffe://example.org/agent", "sts.amazonaws.com", "RS256", now + 300s, now, has_issuer,
           false},
          ""};
}

tl::expected<GrantedKeys, GrantFailure> assume(const Grant& grant, const JwtSvid& proof = svid(),
                                               std::chrono::milliseconds deadline = 20s) {
  TokenClientSettings settings;
  settings.rules.loopback = true;
  settings.deadline = deadline;
  return StsClient(settings, wall, boot).assume(grant, proof);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

GrantFailure failure_of(int status, const std::string& body, const std::string& type = "text/xml") {
  const auto keys = read_sts_answer({status, type, "7", body}, now);
  REQUIRE_FALSE(keys.has_value());
  return keys.error();
}

}  // namespace

TEST_CASE("sts: the JWT-SVID is the credential, and nothing is signed") {
  HttpService sts([](const std::string&) { return Reply{200, keys_xml("ASIAONE"), xml_type}; });
  const auto keys = assume(grant_at(sts));
  REQUIRE(keys.has_value());
  CHECK(keys->pair.access_key_id == "ASIAONE");
  CHECK(keys->pair.secret_access_key.reveal() == "secret-of-ASIAONE");
  CHECK(keys->pair.session_token.reveal() == "session-of-ASIAONE");
  CHECK(iso_time(keys->expires) == "2099-01-01T00:00:00.000Z");
  REQUIRE(sts.requests().size() == 1);
  const std::string request = sts.requests()[0];
  CHECK(request.starts_with("POST / HTTP/1.1\r\n"));
  CHECK(has(request, "Accept: text/xml, application/xml\r\n"));
  CHECK(request.ends_with(
      "\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1"
      "%3Arole%2Ffirst&RoleSessionName=example.org%3Dagent&DurationSeconds=900&WebIdentityToken="
      "head.claims.signature"));
  CHECK_FALSE(has(request, "uthorization"));
}

TEST_CASE("sts: further roles are assumed with the keys of the one before") {
  std::atomic<int> asked{0};
  HttpService sts([&](const std::string&) {
    return Reply{200, keys_xml("ASIA" + std::to_string(++asked)), xml_type};
  });
  Grant grant = grant_at(sts);
  grant.aws.roles.push_back({"arn:aws:iam::2:role/second", "me", "outside", 0s});
  grant.aws.roles.push_back({"arn:aws:iam::3:role/third", "", "", 3600s});
  const auto keys = assume(grant);
  REQUIRE(keys.has_value());
  CHECK(keys->pair.access_key_id == "ASIA3");
  REQUIRE(sts.requests().size() == 3);
  const std::string second = sts.requests()[1], third = sts.requests()[2];
  CHECK(second.ends_with(
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A2%3Arole%2Fsecond"
      "&RoleSessionName=me&ExternalId=outside"));
  CHECK(has(second, "Credential=ASIA1/"));
  CHECK(has(second, "/eu-central-1/sts/aws4_request"));
  CHECK(has(second, "X-Amz-Security-Token: session-of-ASIA1"));
  CHECK_FALSE(has(second, "head.claims"));
  CHECK(has(third, "Credential=ASIA2/"));
  CHECK(has(third, "RoleSessionName=example.org%3Dagent&DurationSeconds=3600"));
}

TEST_CASE("sts: a refused role is named, and nothing comes after it") {
  HttpService sts([](const std::string& request) {
    return has(request, "WebIdentity") ? Reply{200, keys_xml("ASIAONE"), xml_type}
                                       : Reply{403, error_xml("AccessDenied"), xml_type};
  });
  Grant grant = grant_at(sts);
  grant.aws.roles.push_back({"arn:aws:iam::2:role/second", "", "", 0s});
  grant.aws.roles.push_back({"arn:aws:iam::3:role/third", "", "", 0s});
  const auto keys = assume(grant);
  REQUIRE_FALSE(keys.has_value());
  CHECK(keys.error().error.what ==
        "arn:aws:iam::2:role/second: STS answers with status 403: AccessDenied: no");
  CHECK(keys.error().error.code == Code::precondition);
  CHECK(sts.requests().size() == 2);
}

TEST_CASE("sts: what a refused JWT-SVID may lack is said, and it is not shown") {
  HttpService sts([](const std::string& request) {
    const std::string word = request.substr(request.rfind('=') + 1);
    return Reply{400, error_xml("InvalidIdentityToken", word + " is " + std::string(60, 'x')),
                 xml_type};
  });
  const auto without = assume(grant_at(sts), svid(false));
  REQUIRE_FALSE(without.has_value());
  CHECK(without.error().error.code == Code::unauthenticated);
  CHECK(has(without.error().error.what, "the JWT-SVID has no iss"));
  CHECK(has(without.error().error.what, "[left out]"));
  const auto with = assume(grant_at(sts));
  CHECK(has(with.error().error.what, "is there an identity provider"));
  JwtSvid real = svid();
  real.token = Secret("h." + std::string(40, 'c') + ".s");
  CHECK_FALSE(has(assume(grant_at(sts), real).error().error.what, std::string(40, 'c')));
}

TEST_CASE("sts: one deadline for all roles") {
  std::atomic<int> asked{0};
  HttpService sts([&](const std::string&) {
    if (++asked > 1) std::this_thread::sleep_for(1s);
    return Reply{200, keys_xml("ASIAONE"), xml_type};
  });
  Grant grant = grant_at(sts);
  grant.aws.roles.resize(4, {"arn:aws:iam::2:role/second", "", "", 0s});
  const auto keys = assume(grant, svid(), 500ms);
  REQUIRE_FALSE(keys.has_value());
  CHECK(keys.error().error.code == Code::timeout);
  CHECK(asked <= 2);
}

TEST_CASE("sts: cancelled, it waits for no server") {
  std::atomic<bool> over{false}, asked{false};
  HttpService sts([&](const std::string&) {
    asked = true;
    while (!over) std::this_thread::sleep_for(2ms);
    return Reply{500, "", ""};
  });
  TokenClientSettings settings;
  settings.rules.loopback = true;
  settings.connect_deadline = settings.deadline = 1h;
  StsClient client(settings, wall, boot);
  {
    const std::jthread ends([&] {
      while (!asked) std::this_thread::sleep_for(2ms);
      client.cancel();
    });
    const auto given_up = client.assume(grant_at(sts), svid());
    REQUIRE_FALSE(given_up.has_value());
    CHECK(given_up.error().error.code == Code::unavailable);
  }
  over = true;
}

TEST_CASE("sts: only where the operator opened it") {
  HttpService sts([](const std::string&) { return Reply{200, keys_xml("ASIAONE"), xml_type}; });
  TokenClientSettings closed;
  const auto refused = StsClient(closed, wall, boot).assume(grant_at(sts), svid());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().error.code == Code::denied);
  CHECK(sts.requests().empty());
}

TEST_CASE("sts: answers") {
  const auto good = read_sts_answer({200, "Text/XML; charset=utf-8", "", keys_xml("ASIAONE")}, now);
  REQUIRE(good.has_value());
  CHECK(good->pair.access_key_id == "ASIAONE");
  CHECK(failure_of(200, keys_xml("A"), "application/json").error.code == Code::denied);
  CHECK(failure_of(200, keys_xml("A"), "").error.code == Code::denied);
  CHECK(failure_of(200, keys_xml("A", "2026-01-01T12:00:00Z")).error.code == Code::denied);
  CHECK(failure_of(200, keys_xml("A", "")).error.code == Code::denied);
  CHECK(failure_of(200, keys_xml("A B")).error.code == Code::denied);
  CHECK(failure_of(200, keys_xml("A") + std::string(70'000, ' ')).error.code == Code::denied);
  CHECK(failure_of(201, keys_xml("A")).error.code == Code::denied);
  CHECK(failure_of(302, "").error.code == Code::denied);
  for (const char* code : {"InvalidIdentityToken", "ExpiredTokenException"}) {
    CHECK(failure_of(400, error_xml(code)).error.code == Code::unauthenticated);
    CHECK(failure_of(400, error_xml(code)).pause == 30s);
  }
  for (const char* code : {"IDPCommunicationError", "Throttling", "RequestLimitExceeded"}) {
    CHECK(failure_of(400, error_xml(code)).error.code == Code::unavailable);
    CHECK(failure_of(400, error_xml(code)).pause == 7s);
  }
  for (const int status : {429, 500, 503})
    CHECK(failure_of(status, "busy").error.code == Code::unavailable);
  for (const char* code : {"AccessDenied", "IDPRejectedClaim", "RegionDisabledException", ""}) {
    CHECK(failure_of(403, error_xml(code)).error.code == Code::precondition);
    CHECK(failure_of(403, error_xml(code)).pause == 60s);
  }
  CHECK(has(failure_of(403, error_xml("AccessDenied", "a\nb")).error.what, "AccessDenied: a?b"));
}
