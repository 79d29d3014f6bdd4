#include "gateway/rpc/source.hpp"

#include <doctest/doctest.h>

using namespace keyward::gateway;

TEST_CASE("source: a peer's address in canonical form") {
  struct Row {
    const char *peer, *address, *key;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"ipv4:192.0.2.1:50051", "192.0.2.1", "192.0.2.1"},
           {"ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50051", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
           {"ipv6:[2001:DB8:1:2::7]:1", "2001:db8:1:2::7", "2001:db8:1:2::/64"},
           {"ipv6:%5B2001:db8:1:3::7%5D:1", "2001:db8:1:3::7", "2001:db8:1:3::/64"},
           {"ipv6:%5Bfe80::1%25eth0%5D:9", "fe80::1", "fe80::/64"},
           {"ipv6:%5B::1%5D:9", "::1", "::/64"},
           {"ipv6:%5B::ffff:192.0.2.1%5D:9", "192.0.2.1", "192.0.2.1"},
           {"unix:/run/gateway.sock", "", ""},
           {"ipv4:nonsense:1", "", ""},
           {"ipv6:%5B%5D:", "", ""},
           {"", "", ""}}) {
    CAPTURE(row.peer);
    CHECK(address_of_peer(row.peer) == row.address);
    CHECK(limit_key_of(row.address) == row.key);
  }
}
