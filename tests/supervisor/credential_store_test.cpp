// Keys that were delivered and keys of one's own, side by side.
#include "supervisor/credential_store.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::supervisor;

namespace {

netproxy::BoundAwsCredentials bound(const char* provider, const char* key) {
  netproxy::BoundAwsCredentials made;
  made.provider = provider;
  made.keys.access_key_id = key;
  return made;
}

netproxy::Credentials all_of(const char* provider, const char* key) {
  netproxy::Credentials all;
  all.aws.push_back(bound(provider, key));
  return all;
}

std::string shown(const CredentialStore& store) {
  std::string text;
  for (const netproxy::BoundAwsCredentials& each : store.get()->aws)
    text += each.provider + "=" + each.keys.access_key_id + " ";
  return text;
}

}  // namespace

TEST_CASE("credential store: neither takes the other's place") {
  CredentialStore store;
  CHECK(store.get() == nullptr);
  store.deliver({});
  CHECK(store.get()->aws.empty());
  store.keep(bound("own", "K1"));
  store.deliver(all_of("gateway", "G1"));
  CHECK(shown(store) == "gateway=G1 own=K1 ");
  store.keep(bound("own", "K2"));
  store.keep(bound("second", "K3"));
  CHECK(shown(store) == "gateway=G1 own=K2 second=K3 ");
  const auto before = store.get();
  store.deliver({});
  CHECK(shown(store) == "own=K2 second=K3 ");
  CHECK(before->aws.size() == 3);  // whoever reads it still has it
}

TEST_CASE("credential store: derived keys whose time is over go, others stay") {
  CredentialStore store;
  netproxy::Credentials delivered = all_of("derived", "G1");
  const TimePoint start{std::chrono::hours(1)}, end{std::chrono::hours(2)};
  delivered.aws[0].keys.derived_keys.emplace_back();
  delivered.aws[0].keys.derived_keys[0].validity = {start, end};
  store.deliver(std::move(delivered));
  store.keep(bound("own", "K1"));
  const auto before = store.get();
  store.drop_old_keys(start);
  CHECK(store.get() == before);
  store.drop_old_keys(end);
  CHECK(store.get()->aws.at(0).keys.derived_keys.empty());
  CHECK(shown(store) == "derived=G1 own=K1 ");
}
