#include "base/bytes.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace keyward;

TEST_CASE("bytes: hex round trip and refusals") {
  CHECK(hex(as_bytes(std::string_view("\x00\xff\x1a", 3))) == "00ff1a");
  CHECK(unhex("00FF1a").value() == std::string("\x00\xff\x1a", 3));
  CHECK_FALSE(unhex("0").has_value());
  CHECK_FALSE(unhex("0g").has_value());
}

TEST_CASE("bytes: base64 vectors of RFC 4648 section 10") {
  const std::vector<std::pair<std::string, std::string>> cases = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    CHECK(base64(plain) == encoded);
    CHECK(unbase64(encoded).value() == plain);
  }
}

TEST_CASE("bytes: base64 refuses what is not canonical") {
  for (const char* bad : {"Zg=", "Zg", "Zh==", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-v"}) {
    CAPTURE(bad);
    CHECK_FALSE(unbase64(bad).has_value());
  }
}

TEST_CASE("bytes: base64url has one spelling per value") {
  CHECK(base64url("\xfb\xff") == "-_8");
  CHECK(unbase64url("-_8").value() == "\xfb\xff");
  for (const char* bad : {"-_8=", "-_9", "+/8", "A", "-_ 8"}) {
    CAPTURE(bad);
    CHECK_FALSE(unbase64url(bad).has_value());
  }
}

TEST_CASE("bytes: text helpers are ASCII only") {
  CHECK(lower("X-Amz-\xC3\x84") == "x-amz-\xC3\x84");
  CHECK(equals_ignoring_case("Host", "hOST"));
  CHECK_FALSE(equals_ignoring_case("Host", "Hosts"));
  CHECK(trim(" \t a b\r\n") == "a b");
  CHECK(trim(" \n").empty());
}
