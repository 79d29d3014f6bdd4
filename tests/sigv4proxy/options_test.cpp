#include "sigv4proxy/options.hpp"

#include <doctest/doctest.h>

#include "sigv4proxy/listen.hpp"
#include "sigv4proxy/rewrite.hpp"
#include "sigv4proxy/upstream.hpp"

using namespace keyward;
using namespace keyward::sigv4proxy;

namespace {

Result<Options> parse(std::vector<std::string> arguments) {
  TRY_ASSIGN(auto parsed, parse_options(arguments));
  return std::get<Options>(std::move(parsed));
}

Result<Upstream> upstream(std::vector<std::string> arguments, const std::string& region = "") {
  TRY_ASSIGN(const Options options, parse(std::move(arguments)));
  return choose_upstream(options, region);
}

netproxy::RequestHead rewritten(netproxy::RequestHead head, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"-f", "http://h"});
  rewrite(head, read_rewriting(parse(std::move(arguments)).value()).value());
  return head;
}

}  // namespace

TEST_CASE("sigv4-proxy options: names of both tools") {
  const auto options = parse({"--forward-to",
                              "https://s3.eu-west-1.amazonaws.com",
                              "--name",
                              "s3",
                              "--region",
                              "eu-west-1",
                              "--role-arn",
                              "arn:aws:iam::1:role/r",
                              "--port",
                              ":8081",
                              "-u",
                              "9191",
                              "--strip",
                              "A,B",
                              "--strip-header",
                              "c*",
                              "--duplicate-headers",
                              "Authorization",
                              "--unsigned-payload",
                              "--transport.idle-conn-timeout",
                              "5",
                              "-v"});
  REQUIRE(options.has_value());
  CHECK(options->service == "s3");
  CHECK(options->role_arn == "arn:aws:iam::1:role/r");
  CHECK(options->listen_on == ":8081");
  CHECK(options->utility_port == 9191);
  CHECK(options->strip_headers == std::vector<std::string>{"A", "B", "c*"});
  CHECK(options->upstream_idle == 5);
  CHECK(options->log_level == log::Level::debug);
  CHECK(options->log_failed_requests);
}

TEST_CASE("sigv4-proxy options: what is refused") {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"-f", "http://a", "--host", "b"},
      {"-f", "http://a", "--cert", "c"},
      {"-f", "http://a", "--connect-timeout", "0"},
      {"-f", "http://a", "--request-timeout", "3601"},
      {"-f", "http://a", "--utility-port", "65536"},
      {"-f", "http://a", "--log-level", "loud"},
      {"-f", "http://a", "--unknown"},
      {"--host", "a", "--upstream-url-scheme", "ftp"},
      {"-f", "http://a", "extra"}};
  for (const auto& arguments : cases) {
    const auto options = parse(arguments);
    REQUIRE_FALSE(options.has_value());
    CHECK(options.error().what.find('\n') == std::string::npos);
  }
  CHECK(std::holds_alternative<AskedText>(parse_options({"--help"}).value()));
  CHECK(std::holds_alternative<AskedText>(parse_options({"--version"}).value()));
}

TEST_CASE("sigv4-proxy: upstreams") {
  const auto s3 = upstream({"-f", "https://bucket.s3.eu-west-1.amazonaws.com/a/"});
  REQUIRE(s3.has_value());
  CHECK(s3->to.host == "bucket.s3.eu-west-1.amazonaws.com");
  CHECK(s3->to.port == 443);
  CHECK(s3->prefix == "/a");
  CHECK(s3->authority == "bucket.s3.eu-west-1.amazonaws.com");
  CHECK(s3->target.region == "eu-west-1");
  CHECK(s3->target.service == "s3");
  const auto own = upstream({"-f", "http://minio:9000", "-s", "s3"}, "us-east-1");
  REQUIRE(own.has_value());
  CHECK(own->authority == "minio:9000");
  CHECK(own->prefix.empty());
  CHECK(own->target.region == "us-east-1");
  const auto named = upstream(
      {"--host", "10.0.0.1:8443", "--sign-host", "s3.us-west-2.amazonaws.com", "-s", "s3"});
  REQUIRE(named.has_value());
  CHECK(named->to.port == 8443);
  CHECK(named->secure);
  CHECK(named->authority == "s3.us-west-2.amazonaws.com");
  CHECK(named->target.region == "us-west-2");

  const auto wide =
      upstream({"-f", "https://s3.eu-west-1.amazonaws.com", "--sigv4a", "--region-set", "eu-*"});
  REQUIRE(wide.has_value());
  CHECK(wide->target.algorithm == netproxy::SigningAlgorithm::ecdsa);
  CHECK(wide->target.region == "eu-*");

  CHECK_FALSE(upstream({"-f", "https://b.s3-website-us-east-1.amazonaws.com"}).has_value());
  CHECK_FALSE(upstream({"-f", "https://mystery.us-east-1.amazonaws.com"}).has_value());
  CHECK_FALSE(upstream({"-f", "http://minio:9000", "-s", "s3"}).has_value());
  CHECK_FALSE(upstream({"-f", "http://minio:9000"}, "us-east-1").has_value());
  CHECK_FALSE(upstream({"-f", "ftp://h", "-s", "s3"}, "r").has_value());
  CHECK_FALSE(upstream({"-f", "http://u:p@h", "-s", "s3"}, "r").has_value());
  CHECK_FALSE(upstream({"-f", "http://h/?x=1", "-s", "s3"}, "r").has_value());
  CHECK_FALSE(upstream({"-f", "http://h/%zz", "-s", "s3"}, "r").has_value());
  CHECK_FALSE(upstream({"--host", "h/path", "-s", "s3"}, "r").has_value());
}

TEST_CASE("sigv4-proxy upstream: the request's own host") {
  Options options;
  options.any_aws_host = true;
  AwsHosts hosts(options, "eu-west-1");
  const auto s3 = hosts.find("My-Bucket.S3.us-west-2.amazonaws.com:443");
  REQUIRE(s3);
  CHECK((*s3)->to.host == "my-bucket.s3.us-west-2.amazonaws.com");
  CHECK((*s3)->authority == "my-bucket.s3.us-west-2.amazonaws.com");
  CHECK((*s3)->secure);
  CHECK((*s3)->target.region == "us-west-2");
  CHECK((*s3)->target.service == "s3");
  CHECK(*hosts.find("My-Bucket.S3.us-west-2.amazonaws.com:443") == *s3);
  CHECK((*hosts.find("dynamodb.eu-central-1.amazonaws.com"))->target.service == "dynamodb");
  for (const char* host :
       {"", "example.com", "s3.us-west-2.amazonaws.com.example.com", "127.0.0.1", "[::1]",
        "s3.us-west-2.amazonaws.com:80", "u@s3.us-west-2.amazonaws.com", "a b",
        "b.s3-website-us-east-1.amazonaws.com", "mystery.us-east-1.amazonaws.com"})
    CHECK_FALSE(hosts.find(host).has_value());
  for (int i = 0; i < 2000; ++i)  // what is remembered is bounded
    REQUIRE(hosts.find("b" + std::to_string(i) + ".s3.us-west-2.amazonaws.com"));
}

TEST_CASE("sigv4-proxy: addresses to listen on") {
  CHECK(parse_listen_address(":8080")->port == 8080);
  CHECK(parse_listen_address("8080")->port == 8080);
  CHECK(to_string(parse_listen_address("127.0.0.1:1")->address) == "127.0.0.1");
  CHECK(parse_listen_address("[::1]:8080")->address.v6);
  for (const char* text : {"", ":", ":0", ":65536", "localhost:80", "::1:80", "[127.0.0.1]:80",
                           "1.2.3.4", "1.2.3.4:", "1.2.3.4:80x", "[::1]", "1.2.3.4:-1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_listen_address(text).has_value());
  }
}

TEST_CASE("sigv4-proxy: rewriting") {
  netproxy::RequestHead head;
  head.target = "/k?keep=2&d%72op=4&Drop=5&x=";
  head.headers = {{"Authorization", "Basic x"},
                  {"X-Aws-One", "1"},
                  {"X-Aws-Two", "2"},
                  {"Other", "3"},
                  {"Content-Length", "0"}};
  const auto out = rewritten(
      head, {"--strip-header", "x-aws-*,content-length", "--strip-param", "drop",
             "--duplicate-headers", "authorization", "--custom-headers", "Other=4,Added=a=b"});
  CHECK(out.target == "/k?keep=2&x=");
  CHECK(*netproxy::find_header(out.headers, "x-original-authorization") == "Basic x");
  CHECK(netproxy::find_header(out.headers, "x-aws-one") == nullptr);
  CHECK(*netproxy::find_header(out.headers, "other") == "4");
  CHECK(*netproxy::find_header(out.headers, "added") == "a=b");
  CHECK(netproxy::find_header(out.headers, "content-length") != nullptr);
  for (const char* text :
       {"no-value", "Host=evil", "Authorization=x", "Content-Length=1", "a b=c", "X=a\r\nY: b"}) {
    Options options;
    options.custom_headers = {text};
    CAPTURE(text);
    CHECK_FALSE(read_rewriting(options).has_value());
  }
}
