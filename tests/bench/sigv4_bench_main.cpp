// What a signature costs, beside the library's hash and MAC on the same core.

#include <chrono>
#include <cstdio>
#include <string>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/hmac.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/host_target.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/verifier.hpp"

namespace keyward::netproxy {
namespace {

using Timer = std::chrono::steady_clock;

// The best of many short rounds: what is measured is the code, not its neighbours on the machine.
template <class Work>
void measure(const char* name, int count, const Work& work) {
  double best = 1e300;
  for (int round = 0; round < 500; ++round) {
    const auto begin = Timer::now();
    for (int i = 0; i < count; ++i) work();
    const std::chrono::duration<double, std::micro> took = Timer::now() - begin;
    best = std::min(best, took.count() / count);
  }
  std::printf("%-44s %9.3f us\n", name, best);
}

class OneSecret final : public VerificationKeys {
  S3Result<VerificationKey> find(const SignatureClaim&) override {
    return SecretAccessKey{Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
  }
};

// As an SDK sends it.
RequestHead typical_request() {
  RequestHead head;
  head.method = "PUT";
  head.target =
      "/data/2013/05/24/part-00017.parquet?partNumber=3&uploadId=VXBsb2FkIElEIGZvciA2aWWpb";
  head.headers = {{"Accept-Encoding", "identity"},
                  {"User-Agent", "Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux lang/python"},
                  {"Content-Type", "application/octet-stream"},
                  {"Content-MD5", "2g0uF81ajxRjPGtK661+Ag=="},
                  {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                  {"x-amz-meta-origin", "warehouse"},
                  {"Expect", "100-continue"},
                  {"amz-sdk-invocation-id", "0b2bb0a1-64c8-4d15-b4c3-2f9f2a2f5c77"}};
  return head;
}

void run() {
  const AwsCredentials credentials{"AKIAIOSFODNN7EXAMPLE",
                                   Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Secret()};
  const TimePoint now = parse_amz_date("20130524T000000Z").value();
  SigningKeys kept;
  SigningInput input{credentials,
                     {"us-east-1", "s3"},
                     {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
                     "examplebucket.s3.us-east-1.amazonaws.com",
                     now,
                     &kept};
  const RequestHead request = typical_request();
  RequestHead signed_head = request;
  if (!sign_request(signed_head, input)) return;

  const std::string block(16384, 'a'), message(1100, 'a'), short_message(150, 'a');
  const HmacSha256 mac(std::string(32, 'k'));
  measure("SHA-256 of 16 KiB", 20, [&] { sha256(block); });
  measure("SHA-256 of a canonical request (1100 bytes)", 200, [&] { sha256(message); });
  measure("HMAC of a string to sign (150 bytes)", 200, [&] { mac.of(short_message); });
  measure("the request's copy", 200, [&] { RequestHead head = request; });
  measure("sign by header, kept key", 50, [&] {
    RequestHead head = request;
    if (!sign_request(head, input)) std::abort();
  });
  measure("presign, kept key", 50, [&] {
    RequestHead head = request;
    if (!presign_request(head, input, std::chrono::seconds(60))) std::abort();
  });
  OneSecret keys;
  const VerifierRules rules{"s3", "us-east-1", s3_path_style, now, "", &kept};
  measure("verify by header, kept key", 50, [&] {
    if (!verify_request(signed_head, rules, keys)) std::abort();
  });
  measure("host to service and region", 200,
          [&] { (void)host_target("examplebucket.s3.dualstack.us-east-1.amazonaws.com"); });
  input.keys = nullptr;
  measure("sign by header, key derived", 50, [&] {
    RequestHead head = request;
    if (!sign_request(head, input)) std::abort();
  });
  input.keys = &kept;
  input.target.algorithm = SigningAlgorithm::ecdsa;
  measure("sign by header, SigV4a, kept key", 10, [&] {
    RequestHead head = request;
    if (!sign_request(head, input)) std::abort();
  });
  RequestHead ecdsa_head = request;
  if (!sign_request(ecdsa_head, input)) return;
  measure("verify by header, SigV4a, kept key", 10, [&] {
    if (!verify_request(ecdsa_head, rules, keys)) std::abort();
  });
}

}  // namespace
}  // namespace keyward::netproxy

int main() { keyward::netproxy::run(); }
