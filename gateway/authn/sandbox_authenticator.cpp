#include "gateway/authn/sandbox_authenticator.hpp"

namespace keyward::gateway {
namespace {

tl::unexpected<Error> refuse(std::string what) {
  return fail(Code::unauthenticated, std::move(what));
}

}  // namespace

Result<> SandboxAuthenticator::check_state(const identity::SandboxClaims& claims,
                                           const Presented& presented, TimePoint now) {
  const bool is_refresh = presented.method == "RefreshSandboxToken";
  TRY_ASSIGN(const TokenStatus status, store_.token_status(claims.jti));
  const bool was_refreshed = status.refreshed != TimePoint();
  if (was_refreshed && !is_refresh && now >= status.refreshed && now < status.refreshed + overlap_)
    return {};
  switch (status.state) {
    case TokenState::active:
      return store_.note_use(claims.jti);
    case TokenState::superseded:
      if (is_refresh && status.repeats(presented.refresh_id)) return {};
      return refuse("invalid token: it has been refreshed; use the new one");
    case TokenState::revoked:
      return refuse("invalid token: revoked");
    case TokenState::unknown:
      return refuse("invalid token: revoked, or its sandbox is gone");
  }
  return refuse("invalid token");
}

identity::Verification SandboxAuthenticator::verify(std::string_view token, TimePoint now) {
  const auto keys = ring_.keys();
  identity::Verification verified =
      identity::verify_sandbox_token(token, keys->verifying, rules_, now);
  if (!std::holds_alternative<identity::Declined>(verified)) return verified;
  ring_.look_again(now);  // another replica may sign with a key that it has just made
  const auto fresh = ring_.keys();
  if (fresh == keys) return verified;
  return identity::verify_sandbox_token(token, fresh->verifying, rules_, now);
}

Verdict SandboxAuthenticator::authenticate(std::string_view bearer, const Presented& presented,
                                           TimePoint now) {
  if (bearer.empty()) return identity::Declined{};
  identity::Verification verified = verify(bearer, now);
  if (auto* declined = std::get_if<identity::Declined>(&verified)) return std::move(*declined);
  if (const auto* rejected = std::get_if<identity::Rejected>(&verified))
    return refuse("invalid token: " + rejected->reason).value();
  const auto& claims = std::get<identity::SandboxClaims>(verified);
  if (Result<> usable = check_state(claims, presented, now); !usable)
    return std::move(usable).error();
  Principal principal{PrincipalKind::sandbox, claims.sandbox_id, claims.jti};
  principal.expires = claims.expires;
  return principal;
}

}  // namespace keyward::gateway
