#include "tests/netproxy/proxy_fixture.hpp"

#include <doctest/doctest.h>

namespace keyward::netproxy {
namespace {

// As the gateway hands them out: today's key and the next day's, so that no midnight is in the way.
std::shared_ptr<const Credentials> derived_keys(TimePoint now, const char* region) {
  Credentials credentials;
  BoundAwsCredentials bound;
  bound.provider = "derived";
  bound.bindings = {{"s3.test", 443, ""}};
  bound.keys.access_key_id = "AKIADERIVEDDERIVED22";
  const Secret secret("0123456789012345678901234567890123456789");
  for (const TimePoint day : {now, now + std::chrono::hours(24)}) {
    const SigningScope scope{amz_date(day).substr(0, 8), region, "s3"};
    bound.keys.derived_keys.push_back(
        {scope, derive_signing_key(secret, scope), *validity_of_date(scope.date)});
  }
  credentials.aws.push_back(std::move(bound));
  return std::make_shared<const Credentials>(std::move(credentials));
}

}  // namespace

TEST_CASE_FIXTURE(ProxyFixture, "proxy: signs with the derived key that fits, else answers 503") {
  const std::string put = signed_put(5, hex(sha256("hello"))) + "hello";
  credentials.set(derived_keys(clock.now(), "eu-central-1"));
  Client client = tunnel("s3.test");
  CHECK(client.ask(put).starts_with("HTTP/1.1 200 "));
  CHECK(origin.whole_bodies() == 1);
  CHECK(origin.last_head().find("Credential=AKIADERIVEDDERIVED22/") != std::string::npos);

  credentials.set(derived_keys(clock.now(), "eu-central-2"));
  const std::string other_region = tunnel("s3.test").ask(put);
  CHECK(other_region.starts_with("HTTP/1.1 503 "));
  for (const std::string& part : {std::string("region eu-central-1"), std::string("service s3"),
                                  "date " + amz_date(clock.now()).substr(0, 4)})
    CHECK(other_region.find(part) != std::string::npos);

  credentials.set(derived_keys(clock.now() - std::chrono::hours(72), "eu-central-1"));
  CHECK(tunnel("s3.test").ask(put).starts_with("HTTP/1.1 503 "));
  CHECK(origin.whole_bodies() == 1);
}

}  // namespace keyward::netproxy
