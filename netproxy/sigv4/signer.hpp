#pragma once
// AWS Signature Version 4 for the requests that leave a sandbox (AWS General Reference, "Signing
// AWS API requests"; S3 API Reference, "Authenticating Requests").  Pure: no clock, no I/O.
// reference: docs/SIGV4.md.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"
#include "netproxy/sigv4/derived_keys.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

struct AwsCredentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;                    // empty when there is none
  std::vector<DerivedKey> derived_keys{};  // used only where there is no secret

  AwsCredentials clone() const;
};

// What SigningInput::derived is to be.  Null: the secret signs.  Code::unavailable with date,
// region and service: there is no secret, and no derived key for exactly these.  Lives as long as
// the credentials.
Result<const DerivedKey*> choose_key(const AwsCredentials& credentials, const SigningScope& scope);

// What the client's x-amz-content-sha256 (or its absence) asks for, and what therefore leaves.
enum class PayloadMode {
  hex_hash,          // the client's hash is signed; the body is hashed on its way and must agree
  empty,             // no body: the hash of nothing
  unsigned_payload,  // UNSIGNED-PAYLOAD
  unsigned_trailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER: aws-chunked framing and checksum trailer
                     // pass unchanged
  signed_chunks,     // STREAMING-AWS4-…-PAYLOAD[-TRAILER]: verified and signed anew, chunk by chunk
};

struct Payload {
  PayloadMode mode = PayloadMode::empty;
  std::string hash;  // the value of x-amz-content-sha256 that is signed and sent
  std::optional<AwsChunkedBody> chunked = std::nullopt;  // what the head declares of such a body
  bool at_s3 = false;                                    // its clients know the errors of S3
};

// Refuses what Keyward does not serve: other STREAMING-* values, free text, an absent value with a
// body, framing that does not fit the mode.  The error's text is what the client is told.
Result<Payload> choose_payload(const RequestHead& head, std::string_view service);

// The client's own signature, as far as signing needs it.
struct ClientScope {
  std::string access_key_id, date;
  std::string region;  // SigV4a: the region set
  std::string service;
  SigningAlgorithm algorithm = SigningAlgorithm::hmac;
  bool presigned = false;  // by query items
};
// nullopt: the request carries no SigV4 or SigV4a signature.  Errors: Code::invalid, it carries
// something malformed or both forms at once.
Result<std::optional<ClientScope>> client_scope(const RequestHead& head);

struct SigningTarget {
  std::string region;  // SigV4a: the region set, "us-east-1,eu-west-1" or "*"
  std::string service;
  SigningAlgorithm algorithm = SigningAlgorithm::hmac;
};
// Policy value, else the client's scope where it agrees with the host, else the host.  SigV4a where
// the host demands it.  Errors: Code::denied, they disagree or the host takes no signature;
// Code::invalid, nothing says the region or the service: never a guess.
Result<SigningTarget> choose_target(std::string_view policy_region, std::string_view policy_service,
                                    const std::optional<ClientScope>& client,
                                    std::string_view host);

class SigningKeys;
struct SigningInput {
  const AwsCredentials& credentials;
  SigningTarget target;
  Payload payload;
  std::string_view authority;
  TimePoint now;
  SigningKeys* keys = nullptr;          // the calling thread's; null: the key is derived anew
  const DerivedKey* derived = nullptr;  // in place of the credentials' secret
};

// Rewrites `head` in place for the upstream: drops what the client signed with (headers and query
// items), re-encodes the target canonically (S3 family: single encoding, no normalization; others:
// double encoding over the normalized path), and adds x-amz-date, x-amz-content-sha256,
// x-amz-security-token, for SigV4a x-amz-region-set, and Authorization.  Every remaining x-amz-*
// header is signed. `authority` is the Host that is sent.  On error the head is unusable and
// nothing may be forwarded: Code::unavailable, the derived key is not of the date, region and
// service; Code::invalid, a target that cannot be signed.  Returns the signature, the seed of
// signed chunks.
Result<std::string> sign_request(RequestHead& head, const SigningInput& input);

// As sign_request, as a presigned URL: query items instead of headers, good for `expires` (1 s to 7
// days).  Header fields that stay are signed, so the caller of the URL must send the same.
Result<> presign_request(RequestHead& head, const SigningInput& input,
                         std::chrono::seconds expires);

// A URL that was presigned with a placeholder, presigned anew: what is left of its life stays.
// Errors besides those of presign_request: Code::denied, it has expired or is not valid yet;
// Code::invalid, it is not presigned.
Result<> represign_request(RequestHead& head, const SigningInput& input);

// The signature of a string to sign, by the key that `input` names for the scope.
Result<std::string> sign_text(const SigningInput& input, const SigningScope& scope,
                              std::string_view text);

}  // namespace keyward::netproxy
