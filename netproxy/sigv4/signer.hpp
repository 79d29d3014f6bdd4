#pragma once
// AWS Signature Version 4 for the requests that leave a sandbox (AWS General Reference, "Signing
// AWS API requests"; S3 API Reference, "Authenticating Requests").  Pure: no clock, no I/O.
// reference: docs/SIGV4.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/derived_keys.hpp"

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
};

struct Payload {
  PayloadMode mode;
  std::string hash;  // the value of x-amz-content-sha256 that is signed and sent
};

// Refuses what Keyward does not serve: other STREAMING-* values, free text, an absent value with a
// body, framing that does not fit the mode.  The error's text is what the client is told.
Result<Payload> choose_payload(const RequestHead& head, std::string_view service);

// The client's own Authorization, as far as signing needs it.
struct ClientScope {
  std::string access_key_id, date, region, service;
};
// nullopt: the request carries no SigV4 Authorization.  An error: it carries something malformed, a
// presigned query, both forms at once, or SigV4a.
Result<std::optional<ClientScope>> client_scope(const RequestHead& head);

struct SigningTarget {
  std::string region, service;
};
// Policy value, else the client's scope where it agrees with the host, else the host; no region is
// an error, never a guess.
Result<SigningTarget> choose_target(std::string_view policy_region, std::string_view policy_service,
                                    const std::optional<ClientScope>& client,
                                    std::string_view host);

// Rewrites `head` in place for the upstream: drops the client's signature headers, re-encodes the
// target canonically (S3 family: single encoding, no normalization; others: double encoding over
// the normalized path), and adds x-amz-date, x-amz-content-sha256, x-amz-security-token and
// Authorization.  Every remaining x-amz-* header is signed. `authority` is the Host that is sent.
// On error the head is unusable and nothing may be forwarded; Code::unavailable: there is no key
// for the date, region and service.
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
Result<> sign_request(RequestHead& head, const SigningInput& input);

}  // namespace keyward::netproxy
