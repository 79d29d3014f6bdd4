#include "gateway/issue/issuer.hpp"

#include "base/crypto.hpp"

namespace keyward::gateway {

Result<Issuer::Minted> Issuer::mint(const std::string& sandbox_id, TimePoint now) const {
  identity::SandboxClaims claims;
  claims.sandbox_id = sandbox_id;
  claims.issuer = issuer_;
  claims.jti = random_uuid();
  claims.issued = std::chrono::floor<std::chrono::seconds>(now);
  claims.expires = claims.issued + life_;
  TRY_ASSIGN(Secret token, identity::mint_sandbox_token(ring_.keys()->current, claims));
  return Minted{{std::move(token), claims.expires},
                {claims.jti, sandbox_id, claims.expires + identity::clock_leeway}};
}

Result<IssuedToken> Issuer::issue(const std::string& sandbox_id, TimePoint now) {
  TRY_ASSIGN(Minted minted, mint(sandbox_id, now));
  TRY(store_.add_token(minted.row));
  return std::move(minted.token);
}

Result<IssuedToken> Issuer::refresh(const std::string& sandbox_id, const std::string& old_jti,
                                    const std::string& refresh_id, TimePoint now) {
  TRY_ASSIGN(Minted minted,
             mint(sandbox_id, now));  // a failure here harms nobody: the old token still works
  TRY(store_.supersede(old_jti, refresh_id, minted.row, now));
  return std::move(minted.token);
}

}  // namespace keyward::gateway
