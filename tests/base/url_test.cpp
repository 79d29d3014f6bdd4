#include "base/url.hpp"

#include <doctest/doctest.h>

using namespace keyward;

TEST_CASE("url: read") {
  struct {
    const char *text, *host;
    bool tls, v6, loopback;
    int port;
    const char *target, *authority;
  } const cases[] = {
      {"https://Example.com", "example.com", true, false, false, 443, "/", "example.com:443"},
      {"https://a.b:8443/x/y?z=1", "a.b", true, false, false, 8443, "/x/y?z=1", "a.b:8443"},
      {"http://127.9.9.9:1/", "127.9.9.9", false, false, true, 1, "/", "127.9.9.9:1"},
      {"http://[::1]:80/p", "::1", false, true, true, 80, "/p", "[::1]:80"},
      {"https://[fd00::1]", "fd00::1", true, true, false, 443, "/", "[fd00::1]:443"},
      {"http://localhost", "localhost", false, false, true, 80, "/", "localhost:80"},
      {"http://127.evil.example", "127.evil.example", false, false, false, 80, "/",
       "127.evil.example:80"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto url = parse_url(c.text);
    REQUIRE(url);
    CHECK(url->host == c.host);
    CHECK(url->tls == c.tls);
    CHECK(url->v6 == c.v6);
    CHECK(url->port == c.port);
    CHECK(url->target == c.target);
    CHECK(url->authority() == c.authority);
    CHECK(is_loopback(*url) == c.loopback);
  }
}

TEST_CASE("url: refused") {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "example.com",
                                                          "ftp://a",
                                                          "HTTPS://a",
                                                          "https://",
                                                          "https:///x",
                                                          "https://:1",
                                                          "https://a:",
                                                          "https://a:0",
                                                          "https://a:65536",
                                                          "https://a:1x",
                                                          "https://u@a",
                                                          "https://u:p@a",
                                                          "https://a b",
                                                          "https://a/ b",
                                                          "https://a/\r\nHost: b",
                                                          "https://a#f",
                                                          "https://a/x#f",
                                                          "https://a?q",
                                                          "https://a\\b",
                                                          "https://[::1",
                                                          "https://[::1]x",
                                                          "https://[x]",
                                                          "https://a,b",
                                                          "https://\xc3\xa9.example",
                                                          "https://a/" + std::string(2048, 'x'),
                                                          "https://" + std::string(254, 'a')}) {
    CAPTURE(text);
    CHECK_FALSE(parse_url(text));
  }
}
