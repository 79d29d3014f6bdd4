#pragma once
// SigV4 steps 2 and 3: the string to sign, the derived key and the signature (IAM User Guide,
// "Create a signed AWS API request").  Pure.

#include <string>
#include <string_view>

#include "base/hmac.hpp"
#include "base/secret.hpp"

namespace keyward::netproxy {

enum class SigningAlgorithm {
  hmac,  // SigV4, AWS4-HMAC-SHA256: a key per date, region and service
  ecdsa  // SigV4a, AWS4-ECDSA-P256-SHA256: a key pair per credential, valid in a set of regions
};
std::string_view to_string(SigningAlgorithm algorithm);  // as Authorization and X-Amz-Algorithm say

struct SigningScope {
  std::string date;             // YYYYMMDD
  std::string region, service;  // SigV4a has no region in its scope
  SigningAlgorithm algorithm = SigningAlgorithm::hmac;
  std::string text() const;  // date/region/service/aws4_request
};

std::string string_to_sign(std::string_view amz_date, const SigningScope& scope,
                           std::string_view canonical_request);

// HMAC chain over date, region and service: good for one day, one region, one service.
Secret derive_signing_key(const Secret& secret_access_key, const SigningScope& scope);

std::string signature(const HmacSha256& signing_key,
                      std::string_view text);  // 64 lower-case hex digits

std::string authorization_value(std::string_view access_key_id, const SigningScope& scope,
                                std::string_view signed_headers, std::string_view signature);

}  // namespace keyward::netproxy
