// Uploads in signed chunks: the client signs with the placeholder, the upstream sees the real key.

#include <doctest/doctest.h>

#include "netproxy/http/fields.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/sigv4/signing_keys.hpp"
#include "tests/netproxy/chunk_reference.hpp"
#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/netproxy/scripted_origin.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::uint16_t port_s3 = 9443;
constexpr AwsChunkedForm plain{ChunkSigning::hmac, false};
constexpr AwsChunkedForm with_trailer{ChunkSigning::hmac, true};
constexpr const char* real_id = "AKIAREALREALREALREAL";
constexpr const char* real_secret = "0123456789012345678901234567890123456789";

std::string unchunked(std::string_view body) {
  std::string content;
  for (ChunkedReader reader; !body.empty() && !reader.done();) {
    const auto step = reader.next(body);
    if (!step) return "broken";
    content += step->data;
    body.remove_prefix(step->consumed);
  }
  return content;
}

// Keeps what arrives, and answers 200 to whole requests.
class Bucket {
 public:
  explicit Bucket(CertificateAuthority& authority)
      : origin_(&authority, port_s3, [this](Peer& peer, int) { serve(peer); }) {}

  struct Arrived {
    std::string head_text, body;
    bool whole = false;
  };
  // The last request whose connection has ended or whose body is whole.
  Arrived last() {
    for (int tries = 0; tries < 2000; ++tries) {
      const std::lock_guard lock(mutex_);
      if (done_) return arrived_;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return {};
  }

 private:
  void serve(Peer& peer) {
    Arrived arrived;
    arrived.head_text = peer.read_head();
    const auto head = parse_request_head(arrived.head_text);
    if (head)
      arrived.whole =
          peer.read_body(BodyFraming(head->framing, head->content_length), arrived.body);
    if (head && head->framing == Framing::chunked) arrived.body = unchunked(arrived.body);
    const bool whole = arrived.whole;
    {
      const std::lock_guard lock(mutex_);
      arrived_ = std::move(arrived);
      done_ = true;
    }
    if (whole) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }

  std::mutex mutex_;
  Arrived arrived_;
  bool done_ = false;
  ScriptedOrigin origin_;
};

struct ChunksFixture : ProxyFixture {
  ChunksFixture() {
    Credentials keys;
    BoundAwsCredentials bound;
    bound.provider = "real";
    bound.bindings = {{"up.test", port_s3, ""}};
    bound.keys.access_key_id = real_id;
    bound.keys.secret_access_key = Secret(real_secret);
    keys.aws.push_back(std::move(bound));
    credentials.set(std::make_shared<const Credentials>(std::move(keys)));
  }

  struct Request {
    RequestHead head;
    ChunkParty client;
  };
  // A head that the client has signed with its placeholder.
  Request signed_head(AwsChunkedForm form, std::size_t size) const {
    const AwsCredentials own{placeholder.access_key_id, placeholder.secret_access_key.clone(), {}};
    Request request;
    RequestHead& head = request.head;
    head.method = "PUT";
    head.target = "/bucket/a%20key";
    head.headers = {{"x-amz-decoded-content-length", std::to_string(size)}};
    if (form.trailer) head.headers.push_back({"x-amz-trailer", "x-amz-checksum-sha256"});
    const SigningTarget target{"eu-central-1", "s3"};
    const Payload payload{PayloadMode::signed_chunks,
                          form.trailer ? "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
                                       : "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"};
    const std::string seed =
        sign_request(head, {own, target, payload, "up.test:9443", clock.now()}).value();
    request.client = party(*find_header(head.headers, "x-amz-date"), seed, own.secret_access_key);
    return request;
  }

  static ChunkParty party(const std::string& date, std::string seed, const Secret& secret) {
    const SigningScope scope{date.substr(0, 8), "eu-central-1", "s3"};
    return {{ChunkSigning::hmac, date, scope.text(), std::move(seed)},
            std::string(derive_signing_key(secret, scope).reveal()),
            std::nullopt};
  }

  // What the upstream would take the body for.
  static std::optional<DecodedChunks> as_upstream(const Bucket::Arrived& arrived,
                                                  AwsChunkedForm form) {
    const auto head = parse_request_head(arrived.head_text);
    if (!head) return std::nullopt;
    const std::string& authorization = *find_header(head->headers, "authorization");
    const std::string seed = authorization.substr(authorization.find("Signature=") + 10);
    const ChunkParty real =
        party(*find_header(head->headers, "x-amz-date"), seed, Secret(real_secret));
    return decode_chunks(form, real, arrived.body);
  }

  std::string upload(Request request, const std::string& body, bool chunked = false) {
    if (chunked)
      request.head.headers.push_back({"Transfer-Encoding", "chunked"});
    else
      request.head.headers.push_back({"Content-Length", std::to_string(body.size())});
    std::string text = serialize(request.head);
    if (!chunked) text += body;
    for (std::size_t at = 0; chunked && at < body.size(); at += 0x1000) {
      const std::string part = body.substr(at, 0x1000);
      char size[16];
      std::snprintf(size, sizeof size, "%zx\r\n", part.size());
      text += size + part + "\r\n";
    }
    if (chunked) text += "0\r\n\r\n";
    Client client = tunnel("up.test", port_s3);
    return client.ask(text);
  }
};

std::vector<std::string> cut(const std::string& data, std::size_t chunk) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < data.size(); at += chunk) pieces.push_back(data.substr(at, chunk));
  return pieces;
}

// Another digit, of hex and of base64.
void spoil(char& digit) { digit = digit == '1' ? '2' : '1'; }

Trailers sha256_of(const std::string& data) {
  return {{"x-amz-checksum-sha256", base64(as_chars(sha256(data)))}};
}

}  // namespace

TEST_CASE_FIXTURE(ChunksFixture, "chunks: an upload arrives whole under the real key") {
  struct Case {
    AwsChunkedForm form;
    std::size_t size, chunk;
    bool client_chunked, leaves_chunked;
  };
  for (const Case& c : {Case{plain, 10, 10, false, false},
                        {plain, 0, 1, false, false},
                        {plain, 300'000, 65536, false, false},
                        {plain, 700'000, 700'000, false, false},
                        {plain, 700'000, 300'000, false, true},
                        {with_trailer, 300'000, 8192, false, false},
                        {with_trailer, 300'000, 65536, true, true}}) {
    CAPTURE(c.size);
    CAPTURE(c.chunk);
    Bucket bucket(*trusted);
    const std::string data(c.size, 'd');
    const Request request = signed_head(c.form, c.size);
    const std::string body = encode_chunks(c.form, request.client, cut(data, c.chunk),
                                           c.form.trailer ? sha256_of(data) : Trailers{});
    const std::string answer = upload(request, body, c.client_chunked);
    CAPTURE(answer);
    CHECK(answer.starts_with("HTTP/1.1 200 "));
    const Bucket::Arrived arrived = bucket.last();
    CHECK(arrived.whole);
    CHECK(arrived.head_text.find(real_id) != std::string::npos);
    CHECK(arrived.head_text.find(placeholder.access_key_id) == std::string::npos);
    CHECK((arrived.head_text.find("ransfer-") != std::string::npos) == c.leaves_chunked);
    const auto decoded = as_upstream(arrived, c.form);
    CHECK((decoded && decoded->data == data));
  }
}

TEST_CASE_FIXTURE(ChunksFixture, "chunks: what does not verify ends with S3's code, unfinished") {
  const std::string data(200'000, 'd');
  struct Case {
    const char* name;
    void (*damage)(std::string& body);
    const char* status;
    const char* code;
  };
  for (const Case& c :
       {Case{"first chunk", [](std::string& body) { body[100] = 'e'; }, "403",
             "<Code>SignatureDoesNotMatch</Code>"},
        {"last data chunk", [](std::string& body) { body[body.size() - 1000] = 'e'; }, "403",
         "<Code>SignatureDoesNotMatch</Code>"},
        {"trailer", [](std::string& body) { spoil(body[body.find("sha256:") + 7]); }, "400",
         "<Code>BadDigest</Code>"},
        {"trailer signature", [](std::string& body) { spoil(body[body.size() - 10]); }, "403",
         "<Code>SignatureDoesNotMatch</Code>"},
        {"framing", [](std::string& body) { body[0] = 'x'; }, "400", "<Code>IncompleteBody</Code>"},
        {"the end", [](std::string& body) { body[body.size() - 1] = 'x'; }, "400",
         "<Code>IncompleteBody</Code>"}})
    for (const bool chunked : {false, true}) {
      CAPTURE(c.name);
      CAPTURE(chunked);
      Bucket bucket(*trusted);
      const Request request = signed_head(with_trailer, data.size());
      std::string body =
          encode_chunks(with_trailer, request.client, cut(data, 65536), sha256_of(data));
      c.damage(body);
      const std::string answer = upload(request, body, chunked);
      CAPTURE(answer);
      CHECK(answer.starts_with(std::string("HTTP/1.1 ") + c.status));
      CHECK(answer.find("Content-Type: application/xml") != std::string::npos);
      CHECK(answer.find("Connection: close") != std::string::npos);
      CHECK(answer.find(c.code) != std::string::npos);
      CHECK(answer.find("<Resource>/bucket/a%20key</Resource>") != std::string::npos);
      const Bucket::Arrived arrived = bucket.last();
      CHECK_FALSE(arrived.whole);
      CHECK_FALSE(as_upstream(arrived, with_trailer).has_value());
    }
}

TEST_CASE_FIXTURE(ChunksFixture, "chunks: a head that is not the client's own never leaves") {
  const ScriptedOrigin up(trusted.get(), port_s3, [](Peer&, int) {});
  const auto answer_to = [this](auto change) {
    Request request = signed_head(plain, 10);
    change(request.head);
    return upload(request, encode_chunks(plain, request.client, {std::string(10, 'd')}));
  };
  const std::string other_path = answer_to([](RequestHead& head) { head.target = "/bucket/b"; });
  CHECK(other_path.find("<Code>SignatureDoesNotMatch</Code>") != std::string::npos);
  const std::string other_length = answer_to(
      [](RequestHead& head) { set_header(head.headers, "x-amz-decoded-content-length", "9"); });
  CHECK(other_length.find("<Code>SignatureDoesNotMatch</Code>") != std::string::npos);
  const std::string anonymous =
      answer_to([](RequestHead& head) { remove_header(head.headers, "authorization"); });
  CHECK(anonymous.find("<Code>InvalidRequest</Code>") != std::string::npos);
  const std::string no_length = answer_to(
      [](RequestHead& head) { remove_header(head.headers, "x-amz-decoded-content-length"); });
  CHECK(no_length.starts_with("HTTP/1.1 411 "));
  CHECK(no_length.find("<Code>MissingContentLength</Code>") != std::string::npos);
  CHECK(up.connections() == 0);
}

}  // namespace keyward::netproxy
