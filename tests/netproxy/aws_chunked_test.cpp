#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "netproxy/sigv4/verified_chunks.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

std::string checksum_of(std::string_view header, std::string_view data) {
  auto checksum = Checksum::of_header(header);
  REQUIRE(checksum.has_value());
  checksum->update(data);
  return checksum->finish();
}

constexpr AwsChunkedForm unsigned_form{ChunkSigning::none, true};

AwsChunkedBody declared(std::uint64_t length, std::vector<std::string> trailers) {
  return {unsigned_form, length, std::move(trailers)};
}

S3Result<> check(const AwsChunkedBody& body_of, std::string_view body, std::size_t piece) {
  AwsChunkedCheck checker(body_of, std::nullopt);
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    TRY(checker.update(body.substr(0, piece)));
  return checker.finish();
}

// boto3's own bytes for "hello".
constexpr std::string_view hello = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
const AwsChunkedBody hello_plan = declared(5, {"x-amz-checksum-crc32"});

}  // namespace

TEST_CASE("checksum: published and independently computed values") {
  const std::string many(66'560, 'a');
  struct Case {
    const char* header;
    std::string_view data;
    const char* value;
  };
  for (const Case& c :
       {Case{"x-amz-checksum-crc32", many, "sK4Y7A=="},
        {"x-amz-checksum-crc32c", many, "sOO8/Q=="},
        {"x-amz-checksum-crc64nvme", many, "pRf+emrnL+A="},
        {"x-amz-checksum-sha1", many, "qOlv5ixdz2jRNhlSLmgH6iaTKRI="},
        {"x-amz-checksum-sha256", many, "zWnTiHxq+SZLEA17dgIzEzXZqn4718MM3G1vS/uzyIg="},
        {"x-amz-checksum-crc32c", "a", "wdBDMA=="},
        {"x-amz-checksum-crc64nvme", "123456789", "rosUhgp5mIg="},
        {"x-amz-checksum-crc32", "hello", "NhCmhg=="},
        {"x-amz-checksum-crc32", "", "AAAAAA=="}}) {
    CAPTURE(c.header);
    CHECK(checksum_of(c.header, c.data) == c.value);
  }
  CHECK_FALSE(Checksum::of_header("x-amz-checksum-xxhash64").has_value());
  CHECK_FALSE(Checksum::of_header("content-md5").has_value());
}

TEST_CASE("checksum: the split of the data does not matter") {
  std::string data;
  for (int i = 0; i < 1000; ++i) data += static_cast<char>(i * 7 + i / 256);
  for (const char* header : {"x-amz-checksum-crc32", "x-amz-checksum-crc32c",
                             "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1"}) {
    const std::string whole = checksum_of(header, data);
    for (std::size_t cut = 0; cut < 40; ++cut) {
      auto checksum = Checksum::of_header(header);
      checksum->update(std::string_view(data).substr(0, cut));
      checksum->update(std::string_view(data).substr(cut));
      CHECK(checksum->finish() == whole);
    }
  }
}

TEST_CASE("aws-chunked: accepts what clients send, in every split") {
  for (std::size_t piece = 1; piece <= hello.size(); ++piece) {
    CAPTURE(piece);
    CHECK(check(hello_plan, hello, piece).has_value());
  }
  const std::vector<std::pair<AwsChunkedBody, std::string_view>> others = {
      {declared(0, {"x-amz-checksum-crc32"}), "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"},
      {hello_plan, "2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32: NhCmhg== \r\n\r\n"},
      {hello_plan, "0005\r\nhello\r\n000\r\nX-Amz-Checksum-Crc32:NhCmhg==\r\n\r\n"},
      {declared(10, {"x-amz-checksum-crc32c"}),
       "A\r\naaaaaaaaaa\r\n0\r\nx-amz-checksum-crc32c:5yZkMA==\r\n\r\n"},
      {declared(5, {"x-amz-checksum-xxhash64"}),
       "5\r\nhello\r\n0\r\nx-amz-checksum-xxhash64:anything\r\n\r\n"},
      // As minio-go writes it.
      {hello_plan, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n"}};
  for (const auto& [plan, body] : others) {
    CAPTURE(body);
    CHECK(check(plan, body, 3).has_value());
  }
}

TEST_CASE("aws-chunked: refuses every framing fault, in every split") {
  struct Case {
    const char* name;
    std::string_view body;
  };
  const Case cases[] = {
      {"empty", ""},
      {"bare LF after the size", "5\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"bare LF after the data", "5\r\nhello\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"bare LF after a trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n"},
      {"two LF after a trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\n\r\n\r\n"},
      {"LF in a trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\nNhCmhg==\r\n\r\n"},
      {"LF and a blank after a trailer",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n \r\n\r\n"},
      {"two trailers in a line",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\nx-amz-meta-a:b\n\r\n\r\n"},
      {"LF in the closing line", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\n\r\n"},
      {"bare LF at the end", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\n"},
      {"a signature",
       "5;chunk-signature=00\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a blank before the size", " 5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a sign", "+5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a negative size", "-5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a hex prefix", "0x5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"seventeen digits",
       "00000000000000005\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a size that overflows", "ffffffffffffffff\r\nhello\r\n0\r\n"},
      {"an empty size line", "\r\nhello\r\n0\r\n\r\n"},
      {"a chunk longer than its size", "4\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"shorter than declared", "4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"longer than declared", "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"no last chunk", "5\r\nhello\r\n"},
      {"no trailer", "5\r\nhello\r\n0\r\n\r\n"},
      {"no closing line", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n"},
      {"an undeclared trailer",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-meta-a:b\r\n\r\n"},
      {"a trailer signature",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n\r\n"},
      {"a trailer twice",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a wrong checksum", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhA==\r\n\r\n"},
      {"other data", "5\r\nhallo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"},
      {"a trailer without colon", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n"},
      {"a carriage return inside", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\r\n\r\n"},
      {"bytes after the end", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nX"},
      {"a second body",
       "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n0\r\nx-amz-checksum-crc32:AAAAAA=="
       "\r\n\r\n"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (std::size_t piece : {1, 2, 3, 1000})
      CHECK_FALSE(check(hello_plan, c.body, piece).has_value());
  }
}

TEST_CASE("aws-chunked: a fault is remembered") {
  AwsChunkedCheck checker(hello_plan, std::nullopt);
  CHECK_FALSE(checker.update("x\r\n").has_value());
  CHECK_FALSE(checker.update(hello).has_value());
  CHECK_FALSE(checker.finish().has_value());
}

TEST_CASE("aws-chunked: a long framing line is cut off early") {
  AwsChunkedCheck checker(hello_plan, std::nullopt);
  CHECK_FALSE(checker.update(std::string(100'000, '0')).has_value());
}

TEST_CASE("aws-chunked: the head must announce length and trailer") {
  const auto plan =
      read_aws_chunked_body({{"X-Amz-Decoded-Content-Length", "20971520"},
                             {"x-amz-trailer", "x-amz-checksum-crc32, X-Amz-Checksum-Sha256"},
                             {"x-amz-sdk-checksum-algorithm", "SHA256"}},
                            unsigned_form);
  REQUIRE(plan.has_value());
  CHECK(plan->decoded_length == 20'971'520);
  CHECK(plan->trailers ==
        std::vector<std::string>{"x-amz-checksum-crc32", "x-amz-checksum-sha256"});
  const auto code_of = [](const Headers& headers, AwsChunkedForm form) {
    const auto read = read_aws_chunked_body(headers, form);
    return read ? "none" : std::string(to_string(read.error().code));
  };
  for (const char* length : {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616"}) {
    CAPTURE(length);
    CHECK(code_of(
              {{"x-amz-decoded-content-length", length}, {"x-amz-trailer", "x-amz-checksum-crc32"}},
              unsigned_form) == "InvalidArgument");
  }
  for (const char* trailer : {"", ",", "x-amz-checksum-", "x-amz-meta-a", "content-length",
                              "x-amz-checksum-crc32,", "x-amz-checksum-crc32,x-amz-checksum-crc32",
                              "x-amz-trailer-signature", "x-amz-checksum-crc32\nx"}) {
    CAPTURE(trailer);
    CHECK(code_of({{"x-amz-decoded-content-length", "1"}, {"x-amz-trailer", trailer}},
                  unsigned_form) == "InvalidRequest");
  }
  const Header length{"x-amz-decoded-content-length", "1"};
  const Header trailer{"x-amz-trailer", "x-amz-checksum-crc32"};
  CHECK(code_of({trailer}, unsigned_form) == "MissingContentLength");
  CHECK(code_of({length}, unsigned_form) == "InvalidRequest");
  CHECK(code_of({length, length, trailer}, unsigned_form) == "InvalidArgument");
  CHECK(code_of({length, trailer, trailer}, unsigned_form) == "InvalidRequest");
  CHECK(code_of({length, trailer, {"x-amz-checksum-sha1", "x"}}, unsigned_form) ==
        "InvalidRequest");
  CHECK(code_of({length, trailer, {"x-amz-sdk-checksum-algorithm", "sha1"}}, unsigned_form) ==
        "InvalidRequest");
  CHECK(code_of({length, trailer}, {ChunkSigning::hmac, false}) == "InvalidRequest");
  CHECK(code_of({length}, {ChunkSigning::hmac, false}) == "none");
  CHECK(code_of({{"x-amz-decoded-content-length", "5368709121"}}, {ChunkSigning::hmac, false}) ==
        "EntityTooLarge");
}

TEST_CASE("aws-chunked: which values announce it") {
  CHECK(aws_chunked_form("STREAMING-UNSIGNED-PAYLOAD-TRAILER") == unsigned_form);
  CHECK(aws_chunked_form("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") ==
        AwsChunkedForm{ChunkSigning::hmac, false});
  CHECK(aws_chunked_form("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") ==
        AwsChunkedForm{ChunkSigning::hmac, true});
  CHECK(aws_chunked_form("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") ==
        AwsChunkedForm{ChunkSigning::ecdsa, false});
  CHECK(aws_chunked_form("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER") ==
        AwsChunkedForm{ChunkSigning::ecdsa, true});
  for (const char* other : {"STREAMING-AWS4-HMAC-SHA256-EVENTS", "STREAMING-UNSIGNED-PAYLOAD",
                            "streaming-aws4-hmac-sha256-payload", "UNSIGNED-PAYLOAD", ""})
    CHECK_FALSE(aws_chunked_form(other).has_value());
}
