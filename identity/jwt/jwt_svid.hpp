#pragma once
// JWT-SVIDs in the hands of the workload that they name (JWT-SVID standard, sections 2 and 3).
// Pure.
//
// The signature is NOT verified: the local socket is what is trusted (SPIFFE Workload API, section
// 6.2.1), and who gets the token verifies it.  What is checked is that it is the identity that was
// asked for, and that nobody but the named audience could take it.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::identity {

struct JwtSvidRules {
  std::string spiffe_id;  // what `sub` must be
  std::string audience;  // what `aud` must be, alone: one with two could be replayed by one of them
};

struct JwtSvidClaims {
  std::string spiffe_id;  // `sub`
  std::string audience, algorithm;
  TimePoint expires;
  std::optional<TimePoint> issued;
  bool has_issuer = false, has_jwt_id = false;  // some authorization servers refuse without
  bool operator==(const JwtSvidClaims&) const = default;
};

// A compact JWS whose header has alg (RS, ES or PS with 256, 384 or 512), kid and typ (JWT or JOSE)
// at most; sub, aud and exp are there and right; exp is later than now, iat and nbf are at most
// clock_leeway later.  Errors (Code::denied) say which rule, and never quote the token.
Result<JwtSvidClaims> check_jwt_svid(std::string_view text, const JwtSvidRules& rules,
                                     TimePoint now);

// The same of the pod's projected ServiceAccount token, which is presented in place of a JWT-SVID:
// but that `sub` is whatever the cluster names accounts, and its header may have more.
// Code::unavailable: it has expired, and the kubelet is to replace it.
Result<JwtSvidClaims> check_service_account_token(std::string_view text,
                                                  const std::string& audience, TimePoint now);

}  // namespace keyward::identity
