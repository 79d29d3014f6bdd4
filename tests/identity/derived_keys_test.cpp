#include "identity/rpc/derived_keys.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "identity/rpc/provider_environment.hpp"

using namespace keyward;
using namespace keyward::identity;
namespace v1 = openshell::v1;

namespace {

constexpr std::int64_t minute = 60'000, day_start = 1'440'892'800'000;  // 2015-08-30T00:00Z
constexpr std::int64_t day_end = day_start + 24 * 60 * minute;
const std::string canary = "canary-of-thirty-two-bytes-long!";

v1::DerivedKey key(const std::string& region) {
  v1::DerivedKey key;
  key.set_date("20150830");
  key.set_region(region);
  key.set_service("s3");
  key.set_key(canary);
  key.set_not_before_ms(day_start - 15 * minute);
  key.set_not_after_ms(day_end + 15 * minute);
  return key;
}

v1::DerivedKeyCredentials good() {
  v1::DerivedKeyCredentials wire;
  wire.mutable_binding()->set_credential_identity("work:derived_keys");
  auto& endpoint = *wire.mutable_binding()->add_endpoints();
  endpoint.set_host("S3.example.com");
  endpoint.set_port(443);
  wire.set_access_key_id("AKIAIOSFODNN7EXAMPLE");
  wire.set_session_token("session");
  wire.set_expires_at_ms(day_end);
  *wire.add_keys() = key("eu-west-1");
  *wire.add_keys() = key("us-east-1");
  return wire;
}

}  // namespace

TEST_CASE("derived keys: two regions, bound, with session token and end; the wire is wiped") {
  v1::DerivedKeyCredentials wire = good();
  const auto taken = take_derived_keys(wire);
  REQUIRE_MESSAGE(taken.has_value(), taken.error().what);
  CHECK(taken->provider == "work");
  REQUIRE(taken->bindings.size() == 1);
  CHECK(taken->bindings[0].host == "s3.example.com");
  CHECK(taken->keys.access_key_id == "AKIAIOSFODNN7EXAMPLE");
  CHECK(taken->keys.secret_access_key.empty());
  CHECK(taken->keys.session_token.equals("session"));
  CHECK(taken->expires == TimePoint(std::chrono::milliseconds(day_end)));
  REQUIRE(taken->keys.derived_keys.size() == 2);
  const netproxy::DerivedKey& second = taken->keys.derived_keys[1];
  CHECK(second.scope.text() == "20150830/us-east-1/s3/aws4_request");
  CHECK(second.bytes.equals(canary));
  CHECK(second.validity == *netproxy::validity_of_date("20150830"));
  CHECK(wire.SerializeAsString().find("canary") == std::string::npos);
}

TEST_CASE("derived keys: what is malformed is refused with all of its provider, and not shown") {
  struct Case {
    const char* name;
    std::function<void(v1::DerivedKeyCredentials&, v1::DerivedKey&)> change;
  };
  const std::vector<Case> cases = {
      {"no key", [](auto& w, auto&) { w.clear_keys(); }},
      {"too many keys",
       [](auto& w, auto&) {
         for (int i = 0; i < 512; ++i) *w.add_keys() = key("r-" + std::to_string(i));
       }},
      {"no binding", [](auto& w, auto&) { w.clear_binding(); }},
      {"a malformed host",
       [](auto& w, auto&) { w.mutable_binding()->mutable_endpoints(0)->set_host("a b"); }},
      {"no key id", [](auto& w, auto&) { w.clear_access_key_id(); }},
      {"a key id that ends the field", [](auto& w, auto&) { w.set_access_key_id("AKIA, x=1"); }},
      {"a key id with a slash", [](auto& w, auto&) { w.set_access_key_id("AKIA/20150830"); }},
      {"a key id that is too long",
       [](auto& w, auto&) { w.set_access_key_id(std::string(129, 'A')); }},
      {"a token that ends the line", [](auto& w, auto&) { w.set_session_token("a\r\nb: c"); }},
      {"a negative end", [](auto& w, auto&) { w.set_expires_at_ms(-1); }},
      {"a short key", [](auto&, auto& k) { k.set_key(canary.substr(1)); }},
      {"a long key", [](auto&, auto& k) { k.set_key(canary + "x"); }},
      {"an empty key", [](auto&, auto& k) { k.clear_key(); }},
      {"a date that is none", [](auto&, auto& k) { k.set_date("20150832"); }},
      {"no region", [](auto&, auto& k) { k.clear_region(); }},
      {"a pattern for a region", [](auto&, auto& k) { k.set_region("*"); }},
      {"a service with a slash", [](auto&, auto& k) { k.set_service("s3/x"); }},
      {"a scope that is there twice", [](auto&, auto& k) { k.set_region("eu-west-1"); }},
      {"valid too early", [](auto&, auto& k) { k.set_not_before_ms(day_start - 16 * minute); }},
      {"valid too long", [](auto&, auto& k) { k.set_not_after_ms(day_end + 16 * minute); }},
      {"valid never", [](auto&, auto& k) { k.set_not_after_ms(k.not_before_ms()); }},
      {"valid for ever",
       [](auto&, auto& k) { k.set_not_after_ms(std::numeric_limits<std::int64_t>::max()); }},
      {"valid on another day", [](auto&, auto& k) { k.set_date("20150901"); }}};
  for (const Case& c : cases) {
    SUBCASE(c.name) {
      v1::DerivedKeyCredentials wire = good();
      c.change(wire, *wire.mutable_keys(1));
      const auto taken = take_derived_keys(wire);
      REQUIRE_FALSE(taken);
      CHECK(taken.error().what.starts_with("the derived keys of "));
      CHECK(taken.error().what.find("canary") == std::string::npos);
      CHECK(wire.SerializeAsString().find("canary") == std::string::npos);
    }
  }
}

TEST_CASE("derived keys: in an environment, refused ones take no others along") {
  v1::GetSandboxProviderEnvironmentResponse response;
  *response.add_derived_key_credentials() = good();
  *response.add_derived_key_credentials() = good();
  response.mutable_derived_key_credentials(0)->mutable_keys(0)->set_key("short");
  const ProviderEnvironment got = take_provider_environment(response);
  REQUIRE(got.credentials.aws.size() == 1);
  CHECK(got.credentials.aws[0].keys.derived_keys.size() == 2);
  CHECK(got.environment.empty());
  REQUIRE(got.problems.size() == 1);
  CHECK(got.problems[0] == "the derived keys of work: a key of 5 bytes");
}
