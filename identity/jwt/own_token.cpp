#include "identity/jwt/own_token.hpp"

#include <algorithm>

#include "identity/jwt/jws.hpp"

namespace keyward::identity {
namespace {

tl::unexpected<Error> not_valid(const std::string& reason) {
  return fail(Code::unauthenticated, "the token is not valid: " + reason);
}

KeySet sandbox_keys(const JwkSet& keys) {
  KeySet usable;
  for (const Jwk& each : keys)
    if (each.key.algorithm() == SignatureAlgorithm::eddsa) usable.push_back({each.kid, each.key});
  return usable;
}

}  // namespace

Result<SandboxClaims> check_own_token(std::string_view text, const JwkSet& keys, TimePoint now) {
  const Result<CompactJws> jws = parse_compact_jws(text);
  const Result<UnverifiedClaims> claims = read_own_token(text);
  if (!jws || !claims) return not_valid("it is not a sandbox token");
  if (jws->header_text("alg") != "EdDSA") return not_valid("alg is not EdDSA");
  const KeySet usable = sandbox_keys(keys);
  const std::string kid = jws->header_text("kid");
  if (std::none_of(usable.begin(), usable.end(),
                   [&](const VerifyingKey& each) { return each.kid == kid; }))
    return not_valid("no Ed25519 key of the key set has its kid");
  if (!claims->issuer.starts_with(issuer_of("")) || claims->issuer == issuer_of(""))
    return not_valid("iss is no gateway's");
  Verification checked = verify_sandbox_token(
      text, usable, VerifyRules{claims->issuer, std::chrono::seconds::max()}, now);
  if (const auto* rejected = std::get_if<Rejected>(&checked)) return not_valid(rejected->reason);
  if (std::holds_alternative<Declined>(checked)) return not_valid("it is not a sandbox token");
  return std::get<SandboxClaims>(std::move(checked));
}

}  // namespace keyward::identity
