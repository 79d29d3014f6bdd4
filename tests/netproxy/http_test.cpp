#include <doctest/doctest.h>

#include <string>

#include "netproxy/http/body.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/http/problem.hpp"
#include "netproxy/http/target.hpp"

namespace keyward::netproxy {
namespace {

struct Refused {
  const char* name;
  const char* head;
};

std::string chunked_content(std::string_view bytes, std::size_t step, bool& done) {
  struct Collect final : ContentWatcher {
    void content(std::string_view part) override { text.append(part); }
    std::string text;
  } watcher;
  BodyFraming framing(Framing::chunked, 0);
  for (std::size_t at = 0; at < bytes.size();) {
    const auto taken = framing.take(bytes.substr(at, step), &watcher);
    if (!taken) return "error";
    at += *taken;
    if (framing.done() || *taken == 0) break;
  }
  done = framing.done();
  return watcher.text;
}

}  // namespace

TEST_CASE("http: requests that two readers could read differently are refused") {
  const Refused cases[] = {
      {"bare LF", "GET / HTTP/1.1\nHost: a\n\n"},
      {"bare LF in a header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
      {"bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"},
      {"folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
      {"leading blank in the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
      {"name with a parenthesis", "GET / HTTP/1.1\r\nHost: a\r\nX(y: b\r\n\r\n"},
      {"control byte in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"},
      {"length and coding",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"},
      {"two equal lengths",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"},
      {"length list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n"},
      {"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n"},
      {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n"},
      {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
      {"endless length",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n"},
      {"coding list", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {"two codings",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n"},
      {"xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
      {"coding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"no host", "GET / HTTP/1.1\r\nX: b\r\n\r\n"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {"connection names host", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n"},
      {"connection names length",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n"},
      {"connection names coding",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\n\r\n"},
      {"h2 preface", "PRI * HTTP/2.0\r\n\r\n"},
      {"http/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"tab as blank", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
      {"blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"non-ASCII target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"leading empty line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"CONNECT with a body", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"},
      {"other expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"},
      {"empty", ""},
  };
  for (const Refused& c : cases) {
    CAPTURE(c.name);
    CHECK_FALSE(parse_request_head(c.head).has_value());
  }
}

TEST_CASE("http: a request head is read into its parts") {
  const auto head = parse_request_head(
      "PUT /k?x=1 HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\nEXPECT: 100-Continue\r\nX-A:  b "
      "\t\r\n\r\n");
  REQUIRE(head.has_value());
  CHECK(head->method == "PUT");
  CHECK(head->target == "/k?x=1");
  CHECK(head->framing == Framing::length);
  CHECK(head->content_length == 12);
  CHECK(head->expects_continue);
  CHECK(head->keep_alive);
  CHECK(*find_header(head->headers, "x-a") == "b");
  CHECK_FALSE(
      parse_request_head("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")->keep_alive);
  CHECK_FALSE(parse_request_head("GET / HTTP/1.0\r\n\r\n")->keep_alive);
  CHECK(parse_request_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
}

TEST_CASE("http: the end of a head is found in any split") {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
  const std::size_t end = text.size() - 4;
  for (std::size_t seen = 0; seen <= text.size(); ++seen) {
    CHECK(head_length(std::string_view(text).substr(0, seen)) == (seen >= end ? end : 0));
    CHECK(head_length(text, std::min(seen, end - 1)) == end);
  }
  CHECK(head_length("GET /\n\n") == 7);  // found, so that it can be refused
}

TEST_CASE("http: response framing follows method and status") {
  struct Case {
    const char *head, *method;
    Framing framing;
    bool keep_alive;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", Framing::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", Framing::none, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", Framing::none, true},
      {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", Framing::chunked, true},
      {"HTTP/1.1 200 OK\r\n\r\n", "GET", Framing::until_close, false},
      {"HTTP/1.1 204 No\r\n\r\n", "GET", Framing::none, true},
      {"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", "GET", Framing::none, true},
      {"HTTP/1.1 103 Early\r\n\r\n", "GET", Framing::none, true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", Framing::length, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.head);
    const auto head = parse_response_head(c.head, c.method);
    REQUIRE(head.has_value());
    CHECK(head->framing == c.framing);
    CHECK(head->keep_alive == c.keep_alive);
  }
  for (const char* bad :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_response_head(bad, "GET").has_value());
  }
}

TEST_CASE("http: chunks are checked in any split") {
  const std::string good = "5;a=b\r\nhello\r\n00006\r\n world\r\n0\r\nx-sum: 1\r\n\r\n";
  for (std::size_t step = 1; step <= good.size(); ++step) {
    bool done = false;
    CHECK(chunked_content(good + "GET", step, done) == "hello world");
    CHECK(done);
  }
  for (const std::string bad :
       {"5\nhello\r\n0\r\n\r\n", "g\r\n", "-1\r\n", "0x5\r\nhello\r\n", " 5\r\nhello\r\n",
        "5 \r\nhello\r\n", "\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n",
        "0\r\nContent-Length: 3\r\n\r\n", "0\r\n folded\r\n\r\n", "fffffffffffffffff\r\n",
        "5;a=\x01\r\nhello\r\n"}) {
    CAPTURE(bad);
    bool done = false;
    CHECK(chunked_content(bad, bad.size(), done) == "error");
    CHECK(chunked_content(bad, 1, done) == "error");
  }
  bool done = false;
  CHECK(chunked_content("5;" + std::string(2000, 'a') + "\r\nhello", 64, done) == "error");
  CHECK(chunked_content("0\r\n" + std::string(9000, 'a') + ": b\r\n\r\n", 64, done) == "error");
}

TEST_CASE("http: hop-by-hop fields do not pass") {
  Headers headers = {{"Host", "a"},
                     {"Connection", "x-one, keep-alive, X-Two"},
                     {"X-One", "1"},
                     {"x-two", "2"},
                     {"Keep-Alive", "5"},
                     {"Proxy-Connection", "k"},
                     {"Proxy-Authorization", "Basic eA=="},
                     {"Upgrade", "h2c"},
                     {"TE", "gzip"},
                     {"X-Three", "3"},
                     {"Transfer-Encoding", "chunked"}};
  strip_request_hop_headers(headers);
  REQUIRE(headers.size() == 3);
  CHECK(headers[1].name == "X-Three");
  Headers trailers = {{"TE", "trailers, gzip"}, {"Connection", "TE"}};
  strip_request_hop_headers(trailers);
  CHECK(*find_header(trailers, "te") == "trailers");
  Headers response = {
      {"Alt-Svc", "h3=\":443\""}, {"Proxy-Authenticate", "Basic"}, {"Content-Length", "1"}};
  strip_response_hop_headers(response);
  CHECK(response.size() == 1);
}

TEST_CASE("http: authorities and absolute targets") {
  CHECK(parse_authority("a.test:443")->port == 443);
  CHECK(parse_authority("[::1]:80")->host == "::1");
  CHECK(parse_authority("a.test")->port == 0);
  for (const char* bad : {"", ":443", "a:", "a:0", "a:65536", "a:+1", "a:443x", "u@a:443", "[::1",
                          "[a]:1", "[::1]x", "a:1:2"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_authority(bad).has_value());
  }
  CHECK(parse_absolute_target("HTTP://a?x")->target == "/?x");
  CHECK(parse_absolute_target("http://a:8080/b")->authority == "a:8080");
  for (const char* bad : {"a/b", "://a/", "http:///b", "http:a"})
    CHECK_FALSE(parse_absolute_target(bad).has_value());
  CHECK(format_authority("::1", 443, 443) == "[::1]");
  CHECK(format_authority("a", 8443, 443) == "a:8443");
}

TEST_CASE("http: a refusal explains itself and cannot be forged through") {
  Problem problem;
  problem.code = "no_endpoint";
  problem.title = "refused by policy";
  problem.detail = "evil\r\nX-Injected: 1\"\xff";
  problem.proxy_error = "http_request_denied";
  problem.method = "CONNECT";
  problem.host = "a.test";
  problem.port = 443;
  const std::string json = render(problem, {});
  CHECK(json.starts_with(
      "HTTP/1.1 403 Forbidden (keyward: no_endpoint: evil?\?X-Injected: 1?\?)\r\n"));
  CHECK(json.find("application/problem+json") != std::string::npos);
  CHECK(json.find("\r\nX-Injected") == std::string::npos);
  CHECK(json.find("\"host\":\"a.test\"") != std::string::npos);
  CHECK(json.find("Cache-Control: no-store") != std::string::npos);
  CHECK(json.find("x-should-retry: false") != std::string::npos);
  const std::string text = render(problem, {AnswerForm::text, false, true});
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  CHECK(std::count(body.begin(), body.end(), '\n') == 6);
  CHECK(text.find("Connection: close") == std::string::npos);
  CHECK(render(problem, {AnswerForm::json, true, false}).ends_with("\r\n\r\n"));
  CHECK(answer_form({{"User-Agent", "curl/8"}, {"Accept", "*/*"}}) == AnswerForm::text);
  CHECK(answer_form({{"Accept", "text/html"}}) == AnswerForm::text);
  CHECK(answer_form({{"Accept", "text/html, */*;q=0.1"}}) == AnswerForm::json);
  CHECK(answer_form({}) == AnswerForm::json);
}

}  // namespace keyward::netproxy
