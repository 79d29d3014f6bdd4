#include <doctest/doctest.h>

#include <set>
#include <string>

#include "netproxy/credentials.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr TimePoint now{std::chrono::milliseconds(1'000'000)};

void add(Credentials& credentials, const char* provider, std::vector<EndpointBinding> bindings,
         std::optional<TimePoint> expires = std::nullopt) {
  credentials.aws.push_back(
      {provider, std::move(bindings), {"AKIA", Secret("secret"), Secret()}, expires});
}

std::string selected(const Credentials& credentials, const CredentialRequest& request) {
  const auto found = select_aws(credentials, request, now);
  return found ? (*found)->provider : std::string(to_string(found.error().code));
}

}  // namespace

TEST_CASE("placeholder: well-formed, random, one per call") {
  std::set<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    const Placeholder placeholder = make_placeholder();
    CHECK(placeholder.access_key_id.size() == 20);
    CHECK(placeholder.access_key_id.starts_with("AKIA"));
    CHECK(placeholder.access_key_id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") ==
          std::string::npos);
    CHECK(placeholder.secret_access_key.size() == 40);
    ids.insert(placeholder.access_key_id);
  }
  CHECK(ids.size() == 50);
}

TEST_CASE("credentials: usable only where they are bound") {
  Credentials credentials;
  add(credentials, "work", {{"s3.*.amazonaws.com", 443, "/bucket/**"}});
  add(credentials, "unbound", {});
  struct Case {
    const char* host;
    std::uint16_t port;
    const char* path;
    const char* expected;
  };
  for (const Case& c : {Case{"s3.eu-west-1.amazonaws.com", 443, "/bucket/k", "work"},
                        {"s3.eu-west-1.amazonaws.com", 444, "/bucket/k", "not_found"},
                        {"s3.eu-west-1.amazonaws.com", 443, "/other/k", "not_found"},
                        {"s3.amazonaws.com", 443, "/bucket/k", "not_found"},
                        {"s3.eu-west-1.amazonaws.com.evil.test", 443, "/bucket/k", "not_found"}}) {
    CAPTURE(c.host);
    CHECK(selected(credentials, {c.host, c.port, c.path, ""}) == c.expected);
  }
  CHECK(selected(credentials, {"s3.eu-west-1.amazonaws.com", 443, "/bucket/k", "unbound"}) ==
        "not_found");
  CHECK(selected(Credentials{}, {"a.test", 443, "/", ""}) == "not_found");
}

TEST_CASE("credentials: the closest binding wins, a tie is refused") {
  Credentials credentials;
  add(credentials, "wide", {{"**.a.test", 0, ""}});
  add(credentials, "exact", {{"s3.a.test", 0, ""}});
  add(credentials, "path", {{"s3.a.test", 0, "/b/**"}});
  CHECK(selected(credentials, {"x.a.test", 443, "/", ""}) == "wide");
  CHECK(selected(credentials, {"s3.a.test", 443, "/", ""}) == "exact");
  CHECK(selected(credentials, {"s3.a.test", 443, "/b/k", ""}) == "path");
  CHECK(selected(credentials, {"s3.a.test", 443, "/b/k", "wide"}) == "wide");
  add(credentials, "rival", {{"s3.a.test", 0, "/b/**"}});
  CHECK(selected(credentials, {"s3.a.test", 443, "/b/k", ""}) == "denied");
  CHECK(selected(credentials, {"s3.a.test", 443, "/b/k", "rival"}) == "rival");
}

TEST_CASE("credentials: a tie among the wide ones does not hide a closer one") {
  Credentials credentials;
  add(credentials, "wide1", {{"**.a.test", 0, ""}});
  add(credentials, "wide2", {{"**.a.test", 0, ""}});
  add(credentials, "exact", {{"s3.a.test", 0, ""}});
  CHECK(selected(credentials, {"s3.a.test", 443, "/", ""}) == "exact");
  CHECK(selected(credentials, {"x.a.test", 443, "/", ""}) == "denied");
  Credentials other_order;
  add(other_order, "exact1", {{"s3.a.test", 0, ""}});
  add(other_order, "exact2", {{"s3.a.test", 0, ""}});
  add(other_order, "wide", {{"**.a.test", 0, ""}});
  CHECK(selected(other_order, {"s3.a.test", 443, "/", ""}) == "denied");
}

TEST_CASE("credentials: unusable from the moment of expiry, and nothing else takes their place") {
  Credentials credentials;
  add(credentials, "work", {{"a.test", 0, ""}}, now);
  add(credentials, "wide", {{"**.test", 0, ""}});
  CHECK(selected(credentials, {"a.test", 443, "/", ""}) == "unavailable");
  credentials.aws[0].expires = now + std::chrono::milliseconds(1);
  CHECK(selected(credentials, {"a.test", 443, "/", ""}) == "work");
}

TEST_CASE("credentials: derived keys go when their time is over, and nothing else does") {
  const auto key = [](const char* date, TimePoint end) {
    return DerivedKey{{date, "eu-west-1", "s3"}, Secret(date), {TimePoint(), end}};
  };
  using std::chrono::milliseconds;
  Credentials credentials;
  add(credentials, "whole", {{"a.example", 443, ""}}, now + milliseconds(5));
  add(credentials, "derived", {{"b.example", 443, "/p"}});
  auto& keys = credentials.aws[1].keys;
  keys.secret_access_key = Secret();
  keys.session_token = Secret("session");
  keys.derived_keys.push_back(key("20150829", now));
  keys.derived_keys.push_back(key("20150830", now + milliseconds(1)));

  CHECK_FALSE(without_old_keys(credentials, now - milliseconds(1)));
  const auto rest = without_old_keys(credentials, now);
  REQUIRE(rest);
  REQUIRE(rest->aws.size() == 2);
  CHECK(rest->aws[0].keys.secret_access_key.equals("secret"));
  CHECK(rest->aws[0].expires == now + milliseconds(5));
  const BoundAwsCredentials& left = rest->aws[1];
  CHECK(left.provider == "derived");
  CHECK(left.bindings == credentials.aws[1].bindings);
  CHECK(left.keys.access_key_id == "AKIA");
  CHECK(left.keys.session_token.equals("session"));
  REQUIRE(left.keys.derived_keys.size() == 1);
  CHECK(left.keys.derived_keys[0].bytes.equals("20150830"));
  const auto none = without_old_keys(*rest, now + milliseconds(1));
  REQUIRE(none);
  CHECK(none->aws.at(1).keys.derived_keys.empty());
  CHECK_FALSE(without_old_keys(*none, now + milliseconds(9)));
}

TEST_CASE("credentials: those that are missing at the moment are no others") {
  Credentials credentials;
  add(credentials, "own", {{"s3.example.com", 443, ""}});
  add(credentials, "wider", {{"*.example.com", 443, ""}});
  credentials.aws[0].missing = "their source gives none";
  const CredentialRequest request{"s3.example.com", 443, "/k", ""};
  const auto found = select_aws(credentials, request, now);
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().code == Code::unavailable);
  CHECK(found.error().what == "the AWS credentials of own: their source gives none");
  CHECK(selected(credentials, {"s3.example.com", 443, "/k", "wider"}) == "wider");
  CHECK(credentials.aws[0].clone().missing == credentials.aws[0].missing);
}
