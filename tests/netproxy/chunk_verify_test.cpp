#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "tests/netproxy/chunk_reference.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr AwsChunkedForm plain{ChunkSigning::hmac, false};
constexpr AwsChunkedForm with_trailer{ChunkSigning::hmac, true};
const std::string seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const std::string trailer_seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const Trailers crc32c = {{"x-amz-checksum-crc32c", "sOO8/Q=="}};

std::string run(std::size_t size) { return std::string(size, 'a'); }

std::string code_of(const S3Result<>& verdict) {
  return verdict ? "none" : std::string(to_string(verdict.error().code));
}

std::string verdict_on(const AwsChunkedBody& declared, const ChunkParty& party,
                       std::string_view body, std::size_t piece = 1U << 20) {
  AwsChunkedCheck check(declared, party.author());
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    if (!check.update(body.substr(0, piece))) break;
  return code_of(check.finish());
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("chunks: the S3 page's example of a chunked upload") {
  const std::string body =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      run(65536) +
      "\r\n400;chunk-signature="
      "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
      run(1024) +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n"
      "\r\n";
  CHECK(body.size() == 66824);
  const ChunkParty party = example_party(seed);
  CHECK(encode_chunks(plain, party, {run(65536), run(1024)}) == body);
  for (const std::size_t piece : {1, 7, 4096, 1 << 20})
    CHECK(verdict_on({plain, 66560, {}}, party, body, piece) == "none");
}

TEST_CASE("chunks: the S3 page's example with a trailer") {
  const std::string body =
      "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      run(65536) +
      "\r\n400;chunk-signature="
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
      run(1024) +
      "\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
      "x-amz-checksum-crc32c:sOO8/Q==\r\n"
      "x-amz-trailer-signature:"
      "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
  CHECK(body.size() == 66946);
  const ChunkParty party = example_party(trailer_seed);
  const AwsChunkedBody declared{with_trailer, 66560, {"x-amz-checksum-crc32c"}};
  CHECK(encode_chunks(with_trailer, party, {run(65536), run(1024)}, crc32c) == body);
  for (const std::size_t piece : {1, 7, 4096, 1 << 20})
    CHECK(verdict_on(declared, party, body, piece) == "none");
  // The signature of the block without its LF.
  CHECK(
      verdict_on(declared, party,
                 replaced(body, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
                          "1a3f7046f2defd4aa2baf530fc0bf2deb96bef4d5ad2564a2986b47741846d11")) ==
      "SignatureDoesNotMatch");
  CHECK(verdict_on(declared, party,
                   replaced(body, "x-amz-checksum-crc32c:", "X-Amz-Checksum-CRC32C: ")) == "none");
}

TEST_CASE("chunks: each checksum, and several in any order") {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"x-amz-checksum-sha256", "zWnTiHxq+SZLEA17dgIzEzXZqn4718MM3G1vS/uzyIg="},
      {"x-amz-checksum-crc32", "sK4Y7A=="},
      {"x-amz-checksum-crc64nvme", "pRf+emrnL+A="},
      {"x-amz-checksum-sha1", "qOlv5ixdz2jRNhlSLmgH6iaTKRI="},
      {"x-amz-checksum-xxhash64", "anything"}};
  const ChunkParty party = example_party(trailer_seed);
  std::vector<std::string> names;
  for (const auto& trailer : all) {
    names.push_back(trailer.first);
    const std::string body = encode_chunks(with_trailer, party, {run(66560)}, {trailer});
    CHECK(verdict_on({with_trailer, 66560, {trailer.first}}, party, body) == "none");
  }
  const std::string body = encode_chunks(with_trailer, party, {run(66560)}, all);
  CHECK(verdict_on({with_trailer, 66560, names}, party, body) == "none");
}

TEST_CASE("chunks: an empty object") {
  const ChunkParty party = example_party(seed);
  CHECK(verdict_on({plain, 0, {}}, party, encode_chunks(plain, party, {})) == "none");
  CHECK(verdict_on({plain, 0, {}}, party, encode_chunks(plain, other_party(), {})) ==
        "SignatureDoesNotMatch");
}

TEST_CASE("chunks: ECDSA signs, verifies, and is padded") {
  for (const bool trailer : {false, true}) {
    const AwsChunkedForm form{ChunkSigning::ecdsa, trailer};
    const ChunkParty party = ecdsa_party('a');
    const Trailers trailers = trailer ? crc32c : Trailers{};
    const AwsChunkedBody declared{
        form, 66560,
        trailer ? std::vector<std::string>{"x-amz-checksum-crc32c"} : std::vector<std::string>{}};
    const std::string body = encode_chunks(form, party, {run(65536), run(1024)}, trailers);
    if (!trailer) CHECK(body.size() == 67064);
    CHECK(verdict_on(declared, party, body) == "none");
    CHECK(verdict_on(declared, party, body, 5) == "none");
    CHECK(verdict_on(declared, ecdsa_party('b'), body) == "SignatureDoesNotMatch");
    ChunkParty other_day = party;
    other_day.chain.amz_date = "20130524T000001Z";
    CHECK(verdict_on(declared, other_day, body) == "SignatureDoesNotMatch");
    CHECK(verdict_on(declared, party, replaced(body, "aaaa", "aaab")) == "SignatureDoesNotMatch");
    const auto line_end = body.find("\r\n");
    std::string narrow = body, torn = body;
    CHECK(verdict_on(declared, party, narrow.erase(line_end - 1, 1)) == "IncompleteBody");
    CHECK(verdict_on(declared, party, torn.replace(line_end - 3, 3, "*aa")) == "IncompleteBody");
  }
}

TEST_CASE("chunks: every fault has S3's code, in every split") {
  const ChunkParty party = example_party(trailer_seed);
  const std::string good = encode_chunks(with_trailer, party, {run(8192), run(10)},
                                         {{"x-amz-checksum-crc32c", "/////w=="}});
  const auto last = good.rfind("\r\n0;") + 2;
  const std::string line = good.substr(last, good.find("\r\n", last) + 2 - last);
  const auto signature_at = good.find("x-amz-trailer-signature");
  const std::string end = good.substr(signature_at);
  struct Case {
    const char* name;
    std::string body;
    const char* code;
  };
  const std::vector<Case> cases = {
      {"a wrong checksum", good, "BadDigest"},
      {"empty", "", "IncompleteBody"},
      {"a bare LF after the header", replaced(good, "\r\n", "\n"), "IncompleteBody"},
      {"a sign", "+" + good, "IncompleteBody"},
      {"a negative size", "-10" + good, "IncompleteBody"},
      {"a prefix", "0x" + good, "IncompleteBody"},
      {"seventeen digits", "0000000000000" + good, "IncompleteBody"},
      {"a size above the declared length", replaced(good, "2000;", "ffffffffffffffff;"),
       "IncompleteBody"},
      {"no extension", replaced(good, good.substr(4, 81), ""), "IncompleteBody"},
      {"another extension", replaced(good, "chunk-signature", "chunk-signaturf"), "IncompleteBody"},
      {"a second extension", replaced(good, "\r\n", ";a=b\r\n"), "IncompleteBody"},
      {"a blank before the extension", replaced(good, ";", " ;"), "IncompleteBody"},
      {"a short signature", replaced(good, "\r\n", "").insert(84, "\r\n"), "IncompleteBody"},
      {"padding", replaced(good, good.substr(84, 3), "***"), "IncompleteBody"},
      {"data beyond the chunk's size", replaced(good, "aa\r\n", "aaa\r\n"), "IncompleteBody"},
      {"data short of the chunk's size", replaced(good, "aa\r\n", "a\r\n"), "IncompleteBody"},
      {"other data", replaced(good, "aa\r\n", "ab\r\n"), "SignatureDoesNotMatch"},
      {"no last chunk", good.substr(0, last), "IncompleteBody"},
      {"the last chunk early", line + good.substr(last), "IncompleteBody"},
      {"no trailer", good.substr(0, last) + line + end, "MalformedTrailerError"},
      {"an empty line before the trailers", replaced(good, line, line + "\r\n"),
       "MalformedTrailerError"},
      {"another trailer", replaced(good, "crc32c:", "crc32:"), "MalformedTrailerError"},
      {"a trailer without colon", replaced(good, "crc32c:", "crc32c"), "MalformedTrailerError"},
      {"blanks in a value", replaced(good, "/////w==", "/// //w=="), "MalformedTrailerError"},
      {"a control byte", replaced(good, "/////w==", "/////w=\x01"), "MalformedTrailerError"},
      {"no base64", replaced(good, "/////w==", "/////w"), "InvalidRequest"},
      {"base64 of nothing sensible", replaced(good, "/////w==", "=====w=="), "InvalidRequest"},
      {"a line without end", good.substr(0, last) + line + std::string(600, 'x'),
       "MalformedTrailerError"}};
  const AwsChunkedBody declared{with_trailer, 8202, {"x-amz-checksum-crc32c"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const std::size_t piece : {1, 2, 3, 1 << 20})
      CHECK(verdict_on(declared, party, c.body, piece) == c.code);
  }
}

TEST_CASE("chunks: what follows or precedes the trailer signature") {
  const ChunkParty party = example_party(trailer_seed);
  const AwsChunkedBody declared{with_trailer, 66560, {"x-amz-checksum-crc32c"}};
  const std::string good = encode_chunks(with_trailer, party, {run(66560)}, crc32c);
  const auto at = good.find("x-amz-trailer-signature");
  const std::string trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\n";
  struct Case {
    const char* name;
    std::string body;
    const char* code;
  };
  for (const Case& c : std::vector<Case>{
           {"good", good, "none"},
           {"no signature", good.substr(0, at) + "\r\n", "MalformedTrailerError"},
           {"twice", good.substr(0, at) + good.substr(at, good.size() - at - 2) + good.substr(at),
            "MalformedTrailerError"},
           {"a trailer twice", good.substr(0, at) + trailer + good.substr(at),
            "MalformedTrailerError"},
           {"a trailer after it", good.substr(0, good.size() - 2) + trailer + "\r\n",
            "MalformedTrailerError"},
           {"no closing line", good.substr(0, good.size() - 2), "IncompleteBody"},
           {"bytes after the end", good + "X", "IncompleteBody"},
           {"the form without trailer", encode_chunks(plain, party, {run(66560)}),
            "MalformedTrailerError"}}) {
    CAPTURE(c.name);
    CHECK(verdict_on(declared, party, c.body, 1) == c.code);
    CHECK(verdict_on(declared, party, c.body) == c.code);
  }
  CHECK(verdict_on({plain, 66560, {}}, party, good) == "IncompleteBody");
}

TEST_CASE("chunks: a chain holds together") {
  const ChunkParty party = example_party(seed);
  const AwsChunkedBody declared{plain, 3 * 8192, {}};
  const auto chunk = [](char c) { return std::string(8192, c); };
  const std::string good = encode_chunks(plain, party, {chunk('a'), chunk('b'), chunk('c')});
  const std::size_t each = good.find("2000;", 1);
  const std::string first = good.substr(0, each), second = good.substr(each, each);
  const std::string rest = good.substr(2 * each);
  CHECK(verdict_on(declared, party, first + second + rest) == "none");
  CHECK(verdict_on(declared, party, second + first + rest) == "SignatureDoesNotMatch");
  CHECK(verdict_on(declared, party, first + first + rest) == "SignatureDoesNotMatch");
  CHECK(verdict_on({plain, 2 * 8192, {}}, party, first + rest) == "SignatureDoesNotMatch");
  CHECK(verdict_on(declared, example_party(trailer_seed), good) == "SignatureDoesNotMatch");
  CHECK(verdict_on(declared, other_party(), good) == "SignatureDoesNotMatch");
  CHECK(verdict_on({plain, 3 * 8192 + 1, {}}, party, good) == "IncompleteBody");
  CHECK(verdict_on({plain, 3 * 8192 - 1, {}}, party, good) == "IncompleteBody");
}

TEST_CASE("chunks: only the last one may be small") {
  const ChunkParty party = example_party(seed);
  const std::string body = encode_chunks(plain, party, {run(8192), run(8191), run(8192), run(1)});
  AwsChunkedCheck check({plain, 24576, {}}, party.author());
  CHECK_FALSE(check.update(body).has_value());
  const auto verdict = check.finish();
  REQUIRE_FALSE(verdict.has_value());
  CHECK(verdict.error().code == S3Code::invalid_chunk_size_error);
  CHECK(verdict.error().details ==
        std::vector<std::pair<std::string, std::string>>{{"Chunk", "2"}, {"BadChunkSize", "8191"}});
}

TEST_CASE("chunks: a signed body without an author is refused") {
  const std::string body = encode_chunks(plain, example_party(seed), {});
  AwsChunkedCheck check({plain, 0, {}}, std::nullopt);
  CHECK(code_of(check.update(body)) == "SignatureDoesNotMatch");
}
