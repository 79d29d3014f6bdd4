#pragma once
// What a request says about its own signature: the Authorization header (S3 API Reference,
// "Authenticating Requests: Using the Authorization Header") or the X-Amz-* query items ("Using
// Query Parameters"), read strictly.  Nothing of it is verified yet.  Pure.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/s3_error.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

struct SignatureClaim {
  bool presigned = false;  // by query items; else by header
  std::string access_key_id;
  SigningScope scope;
  std::string amz_date;  // YYYYMMDDTHHMMSSZ, of the scope's day
  TimePoint signed_at;
  std::chrono::seconds expires{};           // presigned: 1 s to 7 days
  std::vector<std::string> signed_headers;  // lower case, sorted, each once, with host
  std::string signature;                    // 64 hex digits, or SigV4a's DER in hex
  Secret session_token;                     // empty: none
  std::string region_set;                   // SigV4a
};

// The same as it stands, each field once and of a known algorithm: what a signer needs who replaces
// the signature and does not verify it.
struct ClaimFields {
  bool presigned = false;
  SigningAlgorithm algorithm = SigningAlgorithm::hmac;
  std::string credential, date, signed_headers, signature;
  std::string expires;  // presigned
  std::string region_set;
};
S3Result<std::optional<ClaimFields>> read_claim_fields(const RequestHead& head);

// nullopt: an anonymous request.  Errors are those of S3: both forms at once, a repeated header or
// item, another algorithm, a malformed credential, date, expiry, list or signature, dates that do
// not agree, a signed header that is not there, an x-amz-* header that is not signed.
S3Result<std::optional<SignatureClaim>> read_claim(const RequestHead& head);

// "AKID/DATE/REGION/SERVICE/aws4_request", without REGION for SigV4a; the id may hold slashes.
// nullopt: malformed.
struct ClaimedCredential {
  std::string access_key_id;
  SigningScope scope;
};
std::optional<ClaimedCredential> read_credential(std::string_view text, SigningAlgorithm algorithm);

constexpr std::chrono::seconds longest_expiry{604800};

}  // namespace keyward::netproxy
