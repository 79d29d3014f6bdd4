#pragma once
// The sandbox token: a compact JWS (RFC 7515) with EdDSA (RFC 8037) over the claims of
// docs/IDENTITY.md. Pure: no clock, no I/O.
//
//   header  {"alg":"EdDSA","kid":KID,"typ":"JWT"}
//   claims  {"iss":I,"aud":I,"sub":"spiffe://openshell/sandbox/ID","sandbox_id":ID,
//            "jti":UUID,"iat":SECONDS,"exp":SECONDS}       I = "openshell-gateway:GATEWAY_ID"

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/jwt/jws.hpp"
#include "identity/jwt/keys.hpp"
#include "identity/jwt/verdict.hpp"

namespace keyward::identity {

constexpr std::chrono::seconds clock_leeway{60};  // between gateway replicas, and to issuers

std::string issuer_of(std::string_view gateway_id);
std::string subject_of(std::string_view sandbox_id);
bool is_uuid(std::string_view text);  // canonical lower-case form, any version

struct SandboxClaims {
  std::string sandbox_id, issuer, jti;
  TimePoint issued, expires;  // whole seconds
};

Result<Secret> mint_sandbox_token(const SigningKey& key, const SandboxClaims& claims);

using Verification = std::variant<SandboxClaims, Declined, Rejected>;

struct VerifyRules {
  std::string issuer;  // issuer_of(own gateway id)
  std::chrono::seconds max_life;
};

Verification verify_sandbox_token(std::string_view text, const KeySet& keys,
                                  const VerifyRules& rules, TimePoint now);

// What a token that was given to us says about itself.  The signature is NOT verified: the holder
// has no key for that, and needs none; for display and for the refresh schedule only.  Takes the
// tokens of OpenShell gateways too: no jti, and exp absent or 0 means never_expires.
struct UnverifiedClaims {
  std::string sandbox_id, subject, issuer, jti;
  TimePoint issued, expires;
};
constexpr TimePoint never_expires{std::chrono::milliseconds{253402300799000}};  // end of year 9999
Result<UnverifiedClaims> read_own_token(std::string_view text);

}  // namespace keyward::identity
