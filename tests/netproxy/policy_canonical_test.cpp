#include <doctest/doctest.h>

#include <random>
#include <string>

#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/readings.hpp"

using namespace keyward;
using namespace keyward::netproxy;

TEST_CASE("host: one spelling, the one that is matched and resolved") {
  struct Case {
    const char* given;
    const char* canonical;
  };
  for (const Case& c : {Case{"Example.COM", "example.com"},
                        {"example.com.", "example.com"},
                        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
                        {"_sip.example.com", "_sip.example.com"},
                        {"localhost", "localhost"},
                        {"10.1.2.3", "10.1.2.3"},
                        {"[2001:DB8::1]", "2001:db8::1"},
                        {"2001:0db8:0::1", "2001:db8::1"}}) {
    CAPTURE(c.given);
    CHECK(canonical_host(c.given).value_or("refused") == c.canonical);
  }
  for (const char* host : {"",
                           ".",
                           "..",
                           "a..b",
                           ".a",
                           "a.b..",
                           "a b",
                           "a\tb",
                           "user@host",
                           "host%2ecom",
                           "host:80",
                           "a/b",
                           "-a.com",
                           "a-.com",
                           "127.1",
                           "0x7f000001",
                           "0x7f.1",
                           "2130706433",
                           "0177.0.0.1",
                           "1.2.3.4.5",
                           "a.1",
                           "a.0x1",
                           "[fe80::1%25eth0]",
                           "[::1",
                           "::1]",
                           "[1.2.3.4]",
                           "b\xc3\xbc"
                           "cher.example",
                           "a*b.com",
                           "host\r\n"}) {
    CAPTURE(host);
    CHECK_FALSE(canonical_host(host).has_value());
  }
  CHECK_FALSE(canonical_host(std::string_view("a\0b.com", 7)).has_value());
  CHECK_FALSE(canonical_host(std::string(64, 'a') + ".com").has_value());
  CHECK(canonical_host(std::string(63, 'a') + ".com").has_value());
  std::string long_name;
  while (long_name.size() < 254) long_name += "abcdefghi.";
  CHECK_FALSE(canonical_host(long_name + "com").has_value());
}

TEST_CASE("path: general rules resolve, S3's keep") {
  struct Case {
    const char* raw;
    const char* general;  // "" = refused
    const char* s3;
  };
  for (const Case& c : {Case{"", "/", "/"},
                        {"/", "/", "/"},
                        {"/a/b", "/a/b", "/a/b"},
                        {"/a/", "/a/", "/a/"},
                        {"/%61%2d", "/a-", "/a-"},
                        {"/a%20b", "/a%20b", "/a%20b"},
                        {"/%c3%a9", "/%C3%A9", "/%C3%A9"},
                        {"/a/./b", "/a/b", "/a/./b"},
                        {"/a/../b", "/b", "/a/../b"},
                        {"/a/%2e%2E/b", "/b", "/a/../b"},
                        {"/a/..", "/", "/a/.."},
                        {"/a/b/..", "/a/", "/a/b/.."},
                        {"/..", "", "/.."},
                        {"/a/../../b", "", "/a/../../b"},
                        {"/a//b", "", "/a//b"},
                        {"//", "", "//"},
                        {"/a@b", "/a@b", "/a%40b"},
                        {"/a+b", "/a+b", "/a%2Bb"},
                        {"/a%2Fb", "", "/a/b"},
                        {"/a%00b", "", "/a%00b"},
                        {"/a%0d%0ab", "", "/a%0D%0Ab"},
                        {"/a\\b", "", "/a%5Cb"},
                        {"/a%5cb", "", "/a%5Cb"},
                        {"/a b", "", "/a%20b"},
                        {"/a#b", "", "/a%23b"},
                        {"/%zz", "", ""},
                        {"/a%4", "", ""},
                        {"/a%", "", ""},
                        {"a", "", ""},
                        {"*", "", ""}}) {
    CAPTURE(c.raw);
    CHECK(canonical_path(c.raw, PathRules::general, false).value_or("") == c.general);
    CHECK(canonical_path(c.raw, PathRules::s3_verbatim, false).value_or("") == c.s3);
  }
  CHECK(canonical_path("/a%2fb", PathRules::general, true).value_or("") == "/a%2Fb");
  CHECK_FALSE(canonical_path("/\xc3\xa9", PathRules::general, true).has_value());
}

TEST_CASE("path: the canonical form of a canonical form is itself") {
  std::mt19937 random(20260101);
  const std::string letters = "/.%;aA2eEfF5cC0+@~ ";
  for (int i = 0; i < 20'000; ++i) {
    std::string raw = "/";
    const auto size = random() % 12;
    for (std::size_t k = 0; k < size; ++k) raw += letters[random() % letters.size()];
    for (const PathRules rules : {PathRules::general, PathRules::s3_verbatim}) {
      const auto once = canonical_path(raw, rules, true);
      if (!once) continue;
      const auto twice = canonical_path(*once, rules, true);
      REQUIRE_MESSAGE(twice.has_value(), raw);
      REQUIRE_MESSAGE(*twice == *once, raw);
    }
  }
}

TEST_CASE("readings: the ways in which a server may understand a path") {
  struct Case {
    const char* canonical;
    PathRules rules;
    const char* plain;
    const char* lenient;  // "" = none, "!" = refused
  };
  for (const Case& c : {Case{"/a/b", PathRules::general, "/a/b", ""},
                        {"/a%20b", PathRules::general, "/a b", ""},
                        {"/a;x=1/b", PathRules::general, "/a;x=1/b", "/a/b"},
                        {"/a%3Bx/b", PathRules::general, "/a;x/b", "/a/b"},
                        {"/a/..;/b", PathRules::general, "/a/..;/b", "/b"},
                        {"/..;/b", PathRules::general, "/..;/b", "!"},
                        {"/a%2F..%2Fb", PathRules::general, "/a/../b", "/b"},
                        {"/a//b", PathRules::s3_verbatim, "/a//b", "/a/b"},
                        {"/a/../b", PathRules::s3_verbatim, "/a/../b", "/b"},
                        {"/../b", PathRules::s3_verbatim, "/../b", "!"},
                        {"/a/.hidden", PathRules::s3_verbatim, "/a/.hidden", ""},
                        {"/a%3Bx/b", PathRules::s3_verbatim, "/a;x/b", ""},
                        {"/a/", PathRules::s3_verbatim, "/a/", ""},
                        {"/a//", PathRules::s3_verbatim, "/a//", "/a/"}}) {
    CAPTURE(c.canonical);
    const auto readings = read_path(c.canonical, c.rules);
    if (std::string_view(c.lenient) == "!") {
      CHECK_FALSE(readings.has_value());
      continue;
    }
    REQUIRE(readings.has_value());
    CHECK(readings->plain == c.plain);
    CHECK(readings->lenient.value_or("") == c.lenient);
  }
}

TEST_CASE("patterns: escapes are decoded, escaped wildcards refused") {
  CHECK(decode_pattern("/a%20b/*").value_or("") == "/a b/*");
  CHECK(decode_pattern("/[*]").value_or("") == "/[*]");
  for (const char* pattern : {"/%2A", "/%3f", "/%5B", "/%", "/%4", "/%zz"}) {
    CAPTURE(pattern);
    CHECK_FALSE(decode_pattern(pattern).has_value());
  }
}

TEST_CASE("host patterns: by labels") {
  struct Case {
    const char* pattern;
    const char* host;
    bool matches;
  };
  for (const Case& c : {Case{"example.com", "example.com", true},
                        {"example.com", "a.example.com", false},
                        {"*.example.com", "a.example.com", true},
                        {"*.example.com", "a.b.example.com", false},
                        {"*.example.com", "example.com", false},
                        {"*.example.com", ".example.com", false},
                        {"**.example.com", "a.b.example.com", true},
                        {"**.example.com", "a.example.com", true},
                        {"**.example.com", "example.com", false},
                        {"**.example.com", "evilexample.com", false},
                        {"*.example.com", "evilexample.com", false},
                        {"api-*.example.com", "api-1.example.com", true},
                        {"api-*.example.com", "api-1.x.example.com", false},
                        {"a*z.example.com", "az.example.com", true},
                        {"s3.*.amazonaws.com", "s3.eu-west-1.amazonaws.com", true},
                        {"s3.*.amazonaws.com", "s3.amazonaws.com", false},
                        {"s3.*.amazonaws.com", "s3.a.b.amazonaws.com", false},
                        {"*.example.com", "a.example.com.evil.test", false}}) {
    CAPTURE(c.pattern);
    CAPTURE(c.host);
    CHECK(host_matches(c.pattern, c.host) == c.matches);
  }
  for (const char* pattern : {"*", "**", "*.com", "**.com", "*.*.com", "a.*", "example.com.*",
                              "a.*.com", "a.b*.example.com", "a.**.example.com", "***.example.com",
                              "*..example.com", "a**.example.com"}) {
    CAPTURE(pattern);
    CHECK_FALSE(check_host_pattern(pattern).has_value());
  }
  for (const char* pattern :
       {"*.example.com", "**.example.com", "api-*.example.com", "s3.*.amazonaws.com"}) {
    CAPTURE(pattern);
    CHECK(check_host_pattern(pattern).has_value());
  }
}

TEST_CASE("path patterns") {
  struct Case {
    const char* pattern;
    const char* path;
    bool matches;
  };
  for (const Case& c : {Case{"/a", "/a", true},
                        {"/a", "/a/", false},
                        {"/a/*", "/a/b/c", true},
                        {"/a/*", "/a/", true},
                        {"/a/*", "/a", false},
                        {"/a/**", "/a/b/c", true},
                        {"/**", "/", true},
                        {"*", "/anything", true},
                        {"/a?c", "/abc", true},
                        {"/a?c", "/ac", false},
                        {"/[a-c]", "/b", true},
                        {"/[a-c]", "/d", false},
                        {"/[!a-c]", "/d", true},
                        {"/[!a-c]", "/b", false},
                        {"/[]a]", "/]", true},
                        {"/[-a]", "/-", true},
                        {"/[*]", "/*", true},
                        {"/[*]", "/x", false},
                        {"/[", "/[", true},
                        {"/*/b/*/d", "/a/b/c/c/d", true},
                        {"/*/b/*/d", "/a/c/d", false},
                        {"", "", true},
                        {"", "/", false}}) {
    CAPTURE(c.pattern);
    CAPTURE(c.path);
    CHECK(path_matches(c.pattern, c.path) == c.matches);
  }
  // Nothing here may take more than pattern times path: a backtracking matcher would not return.
  const std::string stars = "/" + std::string(50, '*') + "a*a*a*a*a*a*a*a*a*a*b";
  CHECK_FALSE(path_matches(stars, "/" + std::string(5'000, 'a')));
}

TEST_CASE("program patterns: a star stays within a component") {
  struct Case {
    const char* pattern;
    const char* path;
    bool matches;
  };
  for (const Case& c : {Case{"/usr/bin/curl", "/usr/bin/curl", true},
                        {"/usr/bin/*", "/usr/bin/curl", true},
                        {"/usr/bin/*", "/usr/bin/x/curl", false},
                        {"/usr/*", "/usr/bin/curl", false},
                        {"/usr/**", "/usr/bin/curl", true},
                        {"/**/python3*", "/opt/v/bin/python3.11", true},
                        {"/**/python3*", "/python3", true},
                        {"**", "/anything/at/all", true},
                        {"/usr/bin/curl", "/usr/bin/curl2", false},
                        {"/usr/bin/curl", "/tmp/usr/bin/curl", false}}) {
    CAPTURE(c.pattern);
    CAPTURE(c.path);
    CHECK(program_matches(c.pattern, c.path) == c.matches);
  }
}
