#pragma once
// Whether a request is signed by whom it says (S3 API Reference, "Authenticating Requests";
// docs/SIGV4.md).  Pure: the time is a parameter, keys come from the caller.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/hmac.hpp"
#include "base/p256.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/claim.hpp"
#include "netproxy/sigv4/signing_keys.hpp"

namespace keyward::netproxy {

// What the caller knows of a credential: the secret (either algorithm), SigV4's derived key of the
// claimed date, region and service, or SigV4a's public key.
struct SecretAccessKey {
  Secret bytes;
};
struct DerivedSigningKey {
  Secret bytes;
};
using VerificationKey = std::variant<SecretAccessKey, DerivedSigningKey, P256PublicKey>;

class VerificationKeys {
 public:
  VerificationKeys() = default;
  VerificationKeys(const VerificationKeys&) = delete;
  VerificationKeys& operator=(const VerificationKeys&) = delete;
  virtual ~VerificationKeys() = default;
  // The key of the claimed id, scope and session token, none of which is verified yet.  Errors:
  // invalid_access_key_id, invalid_token, expired_token, service_unavailable.
  virtual S3Result<VerificationKey> find(const SignatureClaim& claim) = 0;
};

struct VerifierRules {
  std::string_view service;  // that clients must sign for
  std::string_view region;   // likewise; empty: any
  PathStyle path_style;      // the service's (path_style_of)
  TimePoint now;
  std::string_view body_hash = {};  // hex SHA-256, where the caller has the whole body: stands in
                                    // for an absent x-amz-content-sha256
  SigningKeys* keys = nullptr;      // the calling thread's; null: keys are derived each time
};

// What the signature covers of the body.
enum class SignedPayload {
  hash,              // the hex SHA-256 that payload_hash holds: the body must still be compared
  unsigned_payload,  // UNSIGNED-PAYLOAD
  unsigned_trailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER
  chunks,            // STREAMING-AWS4-…-PAYLOAD: every chunk is signed, beginning at `signature`
  chunks_trailer,    // STREAMING-AWS4-…-PAYLOAD-TRAILER
  events             // STREAMING-AWS4-HMAC-SHA256-EVENTS
};

// A request whose head is what the key's owner signed.
struct VerifiedRequest {
  SignatureClaim claim;  // its signature is the seed of chunks and events
  SignedPayload payload = SignedPayload::hash;
  std::string payload_hash;  // the value that was signed
  // What verifies chunks: of SigV4 the derived key, of SigV4a the public key.
  std::variant<std::shared_ptr<const HmacSha256>, P256PublicKey> key;
};

// The first refusal in the order: form, service and region, payload value, time, key, signature.
// An anonymous request is access_denied.
S3Result<VerifiedRequest> verify_request(const RequestHead& head, const VerifierRules& rules,
                                         VerificationKeys& keys);

}  // namespace keyward::netproxy
