#include <doctest/doctest.h>

#include <algorithm>

#include "tests/netproxy/chunk_reference.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr AwsChunkedForm plain{ChunkSigning::hmac, false};
constexpr AwsChunkedForm with_trailer{ChunkSigning::hmac, true};
constexpr std::size_t kib = 1024;
const std::string seed(64, 'c');

std::string pattern(std::size_t size) {
  std::string data(size, '\0');
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>('A' + (i * 7 + i / 251) % 61);
  return data;
}

std::vector<std::string> cut(const std::string& data, std::size_t chunk) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < data.size(); at += chunk) pieces.push_back(data.substr(at, chunk));
  return pieces;
}

Trailers sha256_of(const std::string& data) {
  auto checksum = Checksum::of_header("x-amz-checksum-sha256");
  checksum->update(data);
  return {{"x-amz-checksum-sha256", checksum->finish()}};
}

// An upload and the two parties of its way.
struct Upload {
  AwsChunkedForm form;
  ChunkParty client, upstream;
  std::string data, body;
  AwsChunkedBody declared;

  Upload(AwsChunkedForm of, std::size_t size, std::size_t chunk)
      : form(of),
        client(of.signing == ChunkSigning::ecdsa ? ecdsa_party('a') : example_party(seed)),
        upstream(of.signing == ChunkSigning::ecdsa ? ecdsa_party('b') : other_party()),
        data(pattern(size)),
        body(
            encode_chunks(of, client, cut(data, chunk), of.trailer ? sha256_of(data) : Trailers{})),
        declared{of, size, {}} {
    if (of.trailer) declared.trailers = {"x-amz-checksum-sha256"};
  }
  ChunkResigner resigner(std::optional<std::uint64_t> promised) const {
    return {declared, {client.author(), upstream.editor(), promised}};
  }
  Piped resigned(std::string_view text, std::size_t piece) const {
    ChunkResigner pipe = resigner(std::nullopt);
    return pipe_through(pipe, text, piece);
  }
};

// minio-go has a line feed before the end of a trailer's line.
std::string as_minio_go(const Upload& upload) {
  std::string body = upload.body;
  body.insert(body.find("\r\nx-amz-trailer-signature:"), "\n");
  return body;
}

// Whether what was sent can be taken for a complete body by a lax upstream, too.
bool looks_complete(const Upload& upload, const std::string& sent) {
  if (decode_chunks(upload.form, upload.upstream, sent)) return true;
  return sent.find("\r\n0;chunk-signature=") != std::string::npos;
}

}  // namespace

TEST_CASE("resign: chunks of every size leave under the other key with the same data") {
  struct Case {
    std::size_t size, chunk;
    std::vector<std::size_t> leave;
  };
  const std::size_t k64 = 64 * kib;
  for (const auto& form : {plain, with_trailer, AwsChunkedForm{ChunkSigning::ecdsa, true}})
    for (const Case& c : std::vector<Case>{
             {0, 1, {}},
             {1, 1, {1}},
             {66560, k64, {k64, 1024}},
             {256 * kib, 256 * kib, {256 * kib}},
             {256 * kib + 1, 256 * kib + 1, {k64, k64, k64, k64 + 1}},
             {256 * kib + 8191, 1 << 20, {k64, k64, k64, k64 + 8191}},
             {256 * kib + 8192, 1 << 20, {k64, k64, k64, k64, 8192}},
             {600'000, 300'000, {k64, k64, k64, k64, 37'856, k64, k64, k64, k64, 37'856}}}) {
      CAPTURE(c.size);
      const Upload upload(form, c.size, c.chunk);
      for (const std::size_t piece : {4096UL, 1UL << 20}) {
        const Piped piped = upload.resigned(upload.body, piece);
        CHECK(piped.verdict.has_value());
        const auto decoded = decode_chunks(form, upload.upstream, piped.sent);
        REQUIRE(decoded.has_value());
        CHECK(decoded->data == upload.data);
        CHECK(decoded->sizes == c.leave);
        CHECK(decoded->trailers.size() == upload.declared.trailers.size());
        CHECK(piped.most_ready <= 400 * kib);
      }
    }
}

TEST_CASE("resign: a line feed at the end of a trailer does not leave, and the length stays") {
  const Upload upload(with_trailer, 66560, 64 * kib);
  const std::string body = as_minio_go(upload);
  for (const std::size_t piece : {1UL, 100UL, body.size()}) {
    const Piped framed = upload.resigned(body, piece);
    CHECK(framed.verdict.has_value());
    CHECK(framed.sent == upload.resigned(upload.body, piece).sent);
    ChunkResigner promised = upload.resigner(body.size());
    const Piped piped = pipe_through(promised, body, piece);
    CHECK(piped.verdict.has_value());
    CHECK(piped.sent.size() == body.size());
    CHECK(piped.sent.find("\r\n00;chunk-signature=") != std::string::npos);
    const auto decoded = decode_chunks(with_trailer, upload.upstream, piped.sent);
    REQUIRE(decoded.has_value());
    CHECK(decoded->data == upload.data);
  }
}

TEST_CASE("resign: the split of the bytes does not matter") {
  for (const std::size_t chunk : {8192UL, 270'000UL}) {
    const Upload upload(with_trailer, 280'000, chunk);
    const std::string whole = upload.resigned(upload.body, upload.body.size()).sent;
    CHECK(upload.resigned(upload.body, 1).sent == whole);
    CHECK(upload.resigned(upload.body, 8191).sent == whole);
  }
  const Upload small(with_trailer, 30, 30);
  const std::string whole = small.resigned(small.body, small.body.size()).sent;
  for (std::size_t first = 0; first <= small.body.size(); ++first) {
    ChunkResigner pipe = small.resigner(std::nullopt);
    std::string sent;
    for (std::string_view part : {std::string_view(small.body).substr(0, first),
                                  std::string_view(small.body).substr(first)})
      while (!part.empty()) {
        const auto taken = pipe.take(part);
        REQUIRE(taken.has_value());
        part.remove_prefix(*taken);
        sent += pipe.ready();
        pipe.sent();
      }
    CHECK(pipe.finish().has_value());
    CHECK(sent == whole);
  }
}

TEST_CASE("resign: nothing of a chunk leaves before its signature is verified") {
  const Upload upload(plain, 24 * kib, 8 * kib);
  ChunkResigner pipe = upload.resigner(std::nullopt);
  const std::size_t chunk_end = upload.body.find("\r\n2000;") + 2;
  REQUIRE(pipe.take(std::string_view(upload.body).substr(0, chunk_end - 1)).has_value());
  CHECK(pipe.ready().empty());
  REQUIRE(pipe.take(std::string_view(upload.body).substr(chunk_end - 1, 1)).has_value());
  CHECK(pipe.ready().size() == framed_length(8 * kib, ChunkSigning::hmac));
  CHECK(pipe.take("2000").value() == 0);  // first what is ready
  pipe.sent();
  CHECK(pipe.ready().empty());
}

TEST_CASE("resign: the end waits for the whole") {
  for (const auto& form : {plain, with_trailer}) {
    const Upload upload(form, 20 * kib, 8 * kib);
    const Piped piped = upload.resigned(
        std::string_view(upload.body).substr(0, upload.body.size() - 1), upload.body.size());
    CHECK_FALSE(piped.verdict.has_value());
    CHECK(piped.verdict.error().code == S3Code::incomplete_body);
    CHECK_FALSE(looks_complete(upload, piped.sent));
    // Nor has the last chunk with data: an upstream may take its last byte for the end.
    CHECK(piped.sent.size() == framed_length(8 * kib, ChunkSigning::hmac) * 2);
  }
}

TEST_CASE("resign: of a large chunk the last piece waits for its signature") {
  const Upload upload(plain, 300 * kib, 300 * kib);
  const std::string tampered =
      std::string(upload.body).replace(upload.body.find("\r\n") + 5, 1, "#");
  const Piped piped = upload.resigned(tampered, 1000);
  REQUIRE_FALSE(piped.verdict.has_value());
  CHECK(piped.verdict.error().code == S3Code::signature_does_not_match);
  CHECK_FALSE(looks_complete(upload, piped.sent));
  CHECK(piped.sent.size() == 4 * framed_length(64 * kib, ChunkSigning::hmac));
}

TEST_CASE("resign: a flipped bit anywhere is refused, and the end never leaves") {
  for (const auto& form : {plain, with_trailer, AwsChunkedForm{ChunkSigning::ecdsa, true}}) {
    const Upload upload(form, 8 * kib + 40, 8 * kib);
    for (std::size_t at = 0; at < upload.body.size(); ++at) {
      const std::size_t in_data = at > 300 && at < 8 * kib ? 509 : 1;  // most of it is alike
      if (at % in_data != 0) continue;
      CAPTURE(at);
      for (const int bit : {1, 4, 32}) {
        std::string body = upload.body;
        body[at] = static_cast<char>(body[at] ^ bit);
        // Of hex digits and of a trailer's name the case does not count.
        if (bit == 32 && !upload.resigned(body, body.size()).verdict) continue;
        const Piped piped = upload.resigned(body, body.size());
        if (bit == 32 && piped.verdict) {
          CHECK(decode_chunks(form, upload.upstream, piped.sent)->data == upload.data);
          continue;
        }
        CHECK_FALSE(piped.verdict.has_value());
        CHECK_FALSE(looks_complete(upload, piped.sent));
      }
    }
  }
}

TEST_CASE("resign: after an error nothing is ready, and the error stays") {
  const Upload upload(plain, 24 * kib, 8 * kib);
  ChunkResigner pipe = upload.resigner(std::nullopt);
  CHECK_FALSE(pipe.take("2000;nonsense\r\n").has_value());
  CHECK_FALSE(pipe.take(upload.body).has_value());
  CHECK(pipe.ready().empty());
  CHECK_FALSE(pipe.finish().has_value());
}

TEST_CASE("plan: the length of what leaves is known where it can be") {
  struct Case {
    std::size_t size, chunk;
    bool known;
  };
  for (const auto& form : {plain, with_trailer, AwsChunkedForm{ChunkSigning::hmac, true}})
    for (const Case& c : std::vector<Case>{{0, 1, true},
                                           {66560, 64 * kib, true},
                                           {256 * kib, 8 * kib, true},
                                           {1000 * kib, 64 * kib, true},
                                           {1000 * kib + 1, 128 * kib, true},
                                           {3'000'000, 8192, true},
                                           {300'000, 300'000, true},
                                           {2'000'000, 2'000'000, true},
                                           {3'000'000, 256 * kib, false},
                                           {3'000'000, 1'000'000, false},
                                           {3'000'000, 1'000'001, false}}) {
      CAPTURE(c.size);
      CAPTURE(c.chunk);
      const Upload upload(form, c.size, c.chunk);
      const auto planned = plan_content_length(upload.declared, upload.body.size());
      CHECK(planned.has_value() == c.known);
      ChunkResigner pipe = upload.resigner(planned);
      const Piped piped = pipe_through(pipe, upload.body, 64 * kib);
      CHECK(piped.verdict.has_value());
      if (planned) CHECK(piped.sent.size() == *planned);
      CHECK_FALSE(plan_content_length(upload.declared, std::nullopt).has_value());
    }
}

TEST_CASE("plan: a body that breaks the promise never ends") {
  Upload upload(plain, 600 * kib, 8 * kib);
  std::vector<std::string> pieces = {upload.data.substr(0, 300 * kib)};
  for (std::size_t at = 300 * kib; at < upload.data.size(); at += 10 * kib)
    pieces.push_back(upload.data.substr(at, 10 * kib));
  upload.body = encode_chunks(plain, upload.client, pieces);
  const auto planned = plan_content_length(upload.declared, upload.body.size());
  REQUIRE(planned.has_value());
  ChunkResigner pipe = upload.resigner(planned);
  const Piped piped = pipe_through(pipe, upload.body, 64 * kib);
  REQUIRE_FALSE(piped.verdict.has_value());
  CHECK(piped.verdict.error().code == S3Code::invalid_chunk_size_error);
  CHECK(piped.sent.size() < *planned);
  CHECK_FALSE(looks_complete(upload, piped.sent));
}

TEST_CASE("forward: verified bytes pass as they are, or decoded") {
  using Form = ChunkForwarder::Form;
  for (const auto& form : {plain, with_trailer, AwsChunkedForm{ChunkSigning::none, true}})
    for (const std::size_t size : {0UL, 1UL, 66'560UL, 700'000UL})
      for (const std::size_t chunk : {65'536UL, 300'000UL}) {
        CAPTURE(size);
        const Upload upload(form, size, chunk);
        for (const std::size_t piece : {999UL, 1UL << 20}) {
          ChunkForwarder same(upload.declared, upload.client.author(), Form::unchanged);
          const Piped passed = pipe_through(same, upload.body, piece);
          CHECK(passed.verdict.has_value());
          CHECK(passed.sent == upload.body);
          CHECK(passed.most_ready <= 400 * kib);
          ChunkForwarder bare(upload.declared, upload.client.author(), Form::decoded);
          const Piped decoded = pipe_through(bare, upload.body, piece);
          CHECK(decoded.verdict.has_value());
          CHECK(decoded.sent == upload.data);
        }
        const std::string cut_off = upload.body.substr(0, upload.body.size() - 1);
        ChunkForwarder bare(upload.declared, upload.client.author(), Form::decoded);
        const Piped decoded = pipe_through(bare, cut_off, 1000);
        CHECK_FALSE(decoded.verdict.has_value());
        CHECK(decoded.sent.size() == (size == 0 ? 0 : size - 1));
        ChunkForwarder same(upload.declared, upload.client.author(), Form::unchanged);
        CHECK(pipe_through(same, cut_off, 1000).sent.find("\r\n0") == std::string::npos);
      }
}
