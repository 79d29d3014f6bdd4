// The worked examples of AWS's documentation and of aws-c-auth's tests, signed and verified.

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/sigv4a.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* suite_secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

struct Example {
  const char* name;
  const char* id;
  const char* secret;
  SigningScope scope;
  const char* date;
  RequestHead head;  // with every header that is signed, but x-amz-date
  std::string payload_hash;
  const char* canonical_hash;  // null: not published
  const char* signature;
  SignedPayload payload = SignedPayload::hash;
};

RequestHead s3_head(const char* method, const char* target, std::string hash, Headers more = {},
                    const char* host = "examplebucket.s3.amazonaws.com") {
  more.push_back({"Host", host});
  more.push_back({"x-amz-content-sha256", std::move(hash)});
  return head_of(method, target, std::move(more));
}

Headers chunked_headers(Headers more) {
  more.push_back({"content-encoding", "aws-chunked"});
  more.push_back({"x-amz-decoded-content-length", "66560"});
  more.push_back({"x-amz-storage-class", "REDUCED_REDUNDANCY"});
  return more;
}

// S3 API Reference, "Authenticating Requests": single chunk, multiple chunks, with trailers.
std::vector<Example> s3_examples() {
  const SigningScope scope{"20130524", "us-east-1", "s3"};
  const char* date = "20130524T000000Z";
  const std::string empty(empty_hash);
  const std::string body = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  const std::string chunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
  const auto example = [&](const char* name, RequestHead head, std::string hash,
                           std::pair<const char*, const char*> expected) {
    return Example{name,           s3_key_id,       s3_secret,       scope,
                   date,           std::move(head), std::move(hash), expected.first,
                   expected.second};
  };
  std::vector<Example> examples = {
      example("GET object", s3_head("GET", "/test.txt", empty, {{"Range", "bytes=0-9"}}), empty,
              {"7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
               "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}),
      example("PUT object",
              s3_head("PUT", "/test%24file.text", body,
                      {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                       {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
              body,
              {"9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
               "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"}),
      example("GET lifecycle", s3_head("GET", "/?lifecycle", empty), empty,
              {"9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
               "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"}),
      example("list objects", s3_head("GET", "/?max-keys=2&prefix=J", empty), empty,
              {"df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
               "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}),
      example("chunks",
              s3_head("PUT", "/examplebucket/chunkObject.txt", chunks,
                      chunked_headers({{"Content-Length", "66824"}}), "s3.amazonaws.com"),
              chunks,
              {"cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455",
               "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}),
      example("chunks with a trailer",
              s3_head("PUT", "/examplebucket/chunkObject.txt", chunks + "-TRAILER",
                      chunked_headers({{"x-amz-trailer", "x-amz-checksum-crc32c"}}),
                      "s3.amazonaws.com"),
              chunks + "-TRAILER",
              {"44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559",
               "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"})};
  examples[4].payload = SignedPayload::chunks;
  examples[5].payload = SignedPayload::chunks_trailer;
  return examples;
}

// IAM User Guide, and aws-c-auth's test_event_signing.c.
std::vector<Example> other_examples() {
  const std::string events = "STREAMING-AWS4-HMAC-SHA256-EVENTS";
  Example iam{"IAM",
              "AKIDEXAMPLE",
              suite_secret,
              {"20150830", "us-east-1", "iam"},
              "20150830T123600Z",
              head_of("GET", "/?Action=ListUsers&Version=2010-05-08",
                      {{"Host", "iam.amazonaws.com"},
                       {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}),
              std::string(empty_hash),
              "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
              "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"};
  Example stream{"events",
                 "access",
                 "secret",
                 {"19810116", "us-east-1", "demo"},
                 "19810116T063000Z",
                 head_of("POST", "/streaming",
                         {{"Host", "demo.us-east-1.amazonaws.com"},
                          {"content-encoding", "application/vnd.amazon.eventstream"},
                          {"x-amz-content-sha256", events}}),
                 events,
                 nullptr,
                 "e1d8e8c8815e60969f2a34765c9a15945ffc0badbaa4b7e3b163ea19131e949b",
                 SignedPayload::events};
  return {iam, stream};
}

void check_example(Example example) {
  RequestHead& head = example.head;
  head.headers.push_back({"X-Amz-Date", example.date});
  const PathStyle style = path_style_of(example.scope.service);
  const auto target = canonical_target(head.target, style);
  REQUIRE(target.has_value());
  const CanonicalRequest canonical =
      canonical_request(head.method, *target, head.headers, example.payload_hash);
  if (example.canonical_hash != nullptr)
    CHECK(hex(sha256(canonical.text)) == example.canonical_hash);
  const HmacSha256 key(derive_signing_key(Secret(example.secret), example.scope).reveal());
  CHECK(signature(key, string_to_sign(example.date, example.scope, canonical.text)) ==
        example.signature);

  const std::string value =
      authorization_value(example.id, example.scope, canonical.signed_headers, example.signature);
  OneKey keys = OneKey::with_secret(example.id, example.secret);
  const VerifierRules rules{example.scope.service, "us-east-1", style, time_of(example.date)};
  std::string unspaced = value;  // as S3's own page prints it, and s3cmd sends it
  for (auto at = unspaced.find(", "); at != std::string::npos; at = unspaced.find(", "))
    unspaced.erase(at + 1, 1);
  for (const std::string& authorization : {value, unspaced}) {
    head.headers.push_back({"Authorization", authorization});
    const auto verified = verify_request(head, rules, keys);
    REQUIRE_MESSAGE(verified.has_value(), verified.error().message);
    CHECK(verified->claim.signature == example.signature);
    CHECK(verified->payload == example.payload);
    head.headers.pop_back();
  }
}

}  // namespace

TEST_CASE("examples: keys") {
  const Secret iam = derive_signing_key(Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                        {"20120215", "us-east-1", "iam"});
  CHECK(hex(as_bytes(iam.reveal())) ==
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
  const Secret later = derive_signing_key(Secret(suite_secret), {"20150830", "us-east-1", "iam"});
  CHECK(hex(as_bytes(later.reveal())) ==
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
  const Secret s3 = derive_signing_key(Secret(s3_secret), {"20130524", "us-east-1", "s3"});
  CHECK(hex(as_bytes(s3.reveal())) ==
        "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378");
}

TEST_CASE("examples: S3") {
  for (const Example& example : s3_examples()) {
    CAPTURE(example.name);
    check_example(example);
  }
}

TEST_CASE("examples: IAM and event streams") {
  for (const Example& example : other_examples()) {
    CAPTURE(example.name);
    check_example(example);
  }
}

TEST_CASE("examples: S3's presigned URL") {
  RequestHead head = head_of("GET", "/test.txt");
  const AwsCredentials keys = s3_credentials();
  const SigningInput input{keys,
                           {"us-east-1", "s3"},
                           {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
                           "examplebucket.s3.amazonaws.com",
                           time_of("20130524T000000Z")};
  REQUIRE(presign_request(head, input, std::chrono::seconds(86400)).has_value());
  CHECK(head.target ==
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
        "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
        "X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  OneKey known = OneKey::with_secret(s3_key_id, s3_secret);
  const VerifierRules rules{"s3", "us-east-1", s3_path_style, time_of("20130524T235959Z")};
  const auto verified = verify_request(head, rules, known);
  REQUIRE(verified.has_value());
  CHECK(verified->claim.presigned);
  CHECK(verified->payload == SignedPayload::unsigned_payload);
}

// aws-c-auth's test_chunked_signing.c: the canonical request is computed, signatures are random.
TEST_CASE("examples: SigV4a chunks") {
  const std::string value = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
  RequestHead head = s3_head("PUT", "/examplebucket/chunkObject.txt", value,
                             chunked_headers({{"Content-Length", "66824"},
                                              {"X-Amz-Region-Set", "us-east-1"},
                                              {"X-Amz-Date", "20130524T000000Z"}}),
                             "s3.amazonaws.com");
  const SigningScope scope{"20130524", "", "s3", SigningAlgorithm::ecdsa};
  const auto target = canonical_target(head.target, s3_path_style);
  const CanonicalRequest canonical =
      canonical_request(head.method, target.value(), head.headers, value);
  CHECK(hex(sha256(canonical.text)) ==
        "042559c4ceb2489e0255d187fa2c303f232ce2758db47ed71817740c12eefd49");
  const auto key = derive_sigv4a_key(s3_key_id, Secret(s3_secret));
  const auto der = key->sign(string_to_sign("20130524T000000Z", scope, canonical.text));
  head.headers.push_back(
      {"Authorization", authorization_value(s3_key_id, scope, canonical.signed_headers,
                                            hex(as_bytes(der.value())))});
  OneKey keys(s3_key_id, [&](const SignatureClaim&) { return key->public_key(); });
  const VerifierRules rules{"s3", "us-east-1", s3_path_style, time_of("20130524T000000Z")};
  const auto verified = verify_request(head, rules, keys);
  REQUIRE(verified.has_value());
  CHECK(verified->payload == SignedPayload::chunks);
  CHECK(std::holds_alternative<P256PublicKey>(verified->key));
}
