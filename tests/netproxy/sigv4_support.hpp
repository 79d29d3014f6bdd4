#pragma once
// What the SigV4 tests share: the published example credentials, and a table of keys to verify
// with.

#include <functional>
#include <map>
#include <string>

#include "base/clock.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/verifier.hpp"

namespace keyward::netproxy {

constexpr std::string_view empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The keys of the S3 API Reference's examples.
constexpr const char* s3_key_id = "AKIAIOSFODNN7EXAMPLE";
constexpr const char* s3_secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

inline AwsCredentials s3_credentials() { return {s3_key_id, Secret(s3_secret), Secret()}; }
inline TimePoint time_of(std::string_view amz_date) { return parse_amz_date(amz_date).value(); }

inline RequestHead head_of(std::string method, std::string target, Headers headers = {}) {
  RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.headers = std::move(headers);
  return head;
}

// Knows one id; its key is made anew for each question.
class OneKey final : public VerificationKeys {
 public:
  using Make = std::function<VerificationKey(const SignatureClaim&)>;
  OneKey(std::string access_key_id, Make make)
      : access_key_id_(std::move(access_key_id)), make_(std::move(make)) {}
  static OneKey with_secret(std::string access_key_id, std::string secret) {
    return {std::move(access_key_id), [secret](const SignatureClaim&) -> VerificationKey {
              return SecretAccessKey{Secret(secret)};
            }};
  }

  S3Result<VerificationKey> find(const SignatureClaim& claim) override {
    if (claim.access_key_id != access_key_id_) return s3_fail(S3Code::invalid_access_key_id);
    return make_(claim);
  }

 private:
  std::string access_key_id_;
  Make make_;
};

}  // namespace keyward::netproxy
