#include <doctest/doctest.h>

#include <vector>

#include "netproxy/guard/address.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
  std::vector<AddressRange> parsed;
  for (const char* text : texts) parsed.push_back(parse_range(text).value());
  return parsed;
}

bool dialled(const char* address, std::initializer_list<const char*> allowed = {}) {
  return check_address(parse_address(address).value(), ranges(allowed), {}).has_value();
}

}  // namespace

TEST_CASE("address: one spelling of IPv4, RFC 4291 text of IPv6") {
  for (const char* text : {"1.2.3.4", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::1",
                           "::ffff:1.2.3.4", "fe80::1"}) {
    CAPTURE(text);
    const auto address = parse_address(text);
    REQUIRE(address.has_value());
    CHECK(to_string(*address) == text);
  }
  for (const char* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "01.2.3.4",
                           "1.2.3.04",
                           "0x7f.0.0.1",
                           "127.1",
                           "2130706433",
                           "1.2.3.256",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1.2.3.4/32",
                           "1.2.3.-4",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1::",
                           "1:2:3:4:5:6:7:8:9",
                           "::ffff:1.2.3.04",
                           "12345::",
                           "a.b.c.d"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text).has_value());
  }
  CHECK_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)).has_value());
  CHECK_FALSE(parse_address(std::string_view("::1\0x", 5)).has_value());
}

TEST_CASE("address: ranges") {
  CHECK(parse_range("10.0.0.0/8")->contains(*parse_address("10.255.0.1")));
  CHECK_FALSE(parse_range("10.0.0.0/8")->contains(*parse_address("11.0.0.0")));
  CHECK(parse_range("10.1.2.3")->prefix == 32);
  CHECK(parse_range("2001:db8::/33")->contains(*parse_address("2001:db8:7fff::1")));
  CHECK_FALSE(parse_range("2001:db8::/33")->contains(*parse_address("2001:db8:8000::1")));
  CHECK_FALSE(parse_range("0.0.0.0/0")->contains(*parse_address("::1")));
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                           "10.0.0.0/ 8", "::/129", "10.0.0/8"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_range(text).has_value());
  }
}

TEST_CASE("guard: what is never dialled stays closed whatever a policy allows") {
  for (const char* address :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2",
        "224.0.0.1", "239.1.2.3", "255.255.255.255", "100.100.100.200", "192.0.0.192",
        "168.63.129.16", "::", "::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "fd00:ec2::254",
        "fd20:ce::254",
        // IPv4 in IPv6's clothes.
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::169.254.169.254",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "::ffff:0.0.0.0"}) {
    CAPTURE(address);
    CHECK(classify(*parse_address(address)) == AddressClass::never);
    CHECK_FALSE(dialled(address));
    CHECK_FALSE(dialled(address, {"0.0.0.0/0", "::/0"}));
  }
}

TEST_CASE("guard: internal addresses need allowed_ips") {
  struct Case {
    const char* address;
    const char* opens;
    const char* does_not;
  };
  for (const Case& c : {Case{"10.1.2.3", "10.0.0.0/8", "192.168.0.0/16"},
                        {"172.16.0.1", "172.16.0.0/12", "172.32.0.0/12"},
                        {"172.31.255.255", "172.31.255.255", "172.31.255.254"},
                        {"192.168.7.7", "192.168.7.0/24", "192.168.8.0/24"},
                        {"100.64.0.1", "100.64.0.0/10", "10.0.0.0/8"},
                        {"198.18.0.1", "198.18.0.0/15", "10.0.0.0/8"},
                        {"192.0.2.1", "192.0.2.0/24", "10.0.0.0/8"},
                        {"240.0.0.1", "240.0.0.0/4", "10.0.0.0/8"},
                        {"fd12::1", "fd12::/16", "fd13::/16"},
                        {"4000::1", "4000::/2", "fd13::/16"},
                        {"::ffff:10.1.2.3", "10.0.0.0/8", "192.168.0.0/16"},
                        {"64:ff9b::a01:203", "10.0.0.0/8", "192.168.0.0/16"},
                        {"2002:a01:203::1", "10.0.0.0/8", "192.168.0.0/16"}}) {
    CAPTURE(c.address);
    CHECK(classify(*parse_address(c.address)) == AddressClass::internal);
    CHECK_FALSE(dialled(c.address));
    CHECK(dialled(c.address, {c.opens}));
    CHECK_FALSE(dialled(c.address, {c.does_not}));
  }
}

TEST_CASE("guard: global addresses need nothing") {
  for (const char* address : {"1.1.1.1", "52.218.0.1", "172.15.255.255", "172.32.0.0", "11.0.0.0",
                              "169.253.0.1", "2606:4700::1111", "2a05:d07a::1", "64:ff9b::101:101",
                              "::ffff:1.1.1.1", "2002:101:101::"}) {
    CAPTURE(address);
    CHECK(classify(*parse_address(address)) == AddressClass::global);
    CHECK(dialled(address));
  }
}

TEST_CASE("guard: the supervisor's own addresses are closed, in every clothing") {
  const std::vector<Address> own = {*parse_address("10.0.0.5"), *parse_address("52.1.2.3")};
  const auto allowed = ranges({"10.0.0.0/8"});
  for (const char* address : {"10.0.0.5", "52.1.2.3", "::ffff:10.0.0.5", "::ffff:52.1.2.3"}) {
    CAPTURE(address);
    const auto verdict = check_address(*parse_address(address), allowed, own);
    REQUIRE_FALSE(verdict.has_value());
    CHECK(verdict.error().code == Code::denied);
  }
  CHECK(check_address(*parse_address("10.0.0.6"), allowed, own).has_value());
}

TEST_CASE("guard: ranges that reach into closed blocks are told apart") {
  for (const char* text :
       {"0.0.0.0/0", "::/0", "127.0.0.0/8", "127.0.0.1", "126.0.0.0/7", "169.254.0.0/16",
        "169.0.0.0/8", "169.254.169.254", "224.0.0.0/4", "192.0.0.0/2", "fe80::/10", "fe80::1",
        "fc00::/6", "ff00::/8", "::1", "168.63.129.16", "::ffff:127.0.0.1"}) {
    CAPTURE(text);
    CHECK(covers_closed_block(*parse_range(text)));
  }
  for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                           "fc00::/7", "192.0.0.0/24", "10.1.2.3", "240.0.0.0/4"}) {
    CAPTURE(text);
    CHECK_FALSE(covers_closed_block(*parse_range(text)));
  }
}
