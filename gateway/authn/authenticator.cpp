#include "gateway/authn/authenticator.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view scheme = "Bearer ";  // exactly so, as OpenShell's gateway reads it

tl::unexpected<Error> refuse(std::string what) {
  return fail(Code::unauthenticated, std::move(what));
}

}  // namespace

Result<> Authenticator::check_state(const identity::SandboxClaims& claims,
                                    const Presented& presented, TimePoint now) {
  TRY_ASSIGN(const TokenStatus status, store_.token_status(claims.jti));
  const bool was_refreshed = status.refreshed != TimePoint();
  if (was_refreshed && !presented.is_refresh && now >= status.refreshed &&
      now < status.refreshed + overlap_)
    return {};
  switch (status.state) {
    case TokenState::active:
      return store_.note_use(claims.jti);
    case TokenState::superseded:
      if (presented.is_refresh && !presented.refresh_id.empty() &&
          presented.refresh_id == status.refresh_id)
        return {};
      return refuse("invalid token: it has been refreshed; use the new one");
    case TokenState::revoked:
      return refuse("invalid token: revoked");
    case TokenState::unknown:
      return refuse("invalid token: revoked, or its sandbox is gone");
  }
  return refuse("invalid token");
}

identity::Verification Authenticator::verify(std::string_view token, TimePoint now) {
  const auto keys = ring_.keys();
  identity::Verification verified =
      identity::verify_sandbox_token(token, keys->verifying, rules_, now);
  if (!std::holds_alternative<identity::Declined>(verified)) return verified;
  ring_.look_again(now);  // another replica may sign with a key that it has just made
  const auto fresh = ring_.keys();
  if (fresh == keys) return verified;
  return identity::verify_sandbox_token(token, fresh->verifying, rules_, now);
}

Result<Principal> Authenticator::authenticate(const Presented& presented, TimePoint now) {
  if (presented.authorization.empty()) return Principal{};
  if (!presented.authorization.starts_with(scheme))
    return refuse("the authorization header must be: Bearer TOKEN");
  const identity::Verification verified =
      verify(presented.authorization.substr(scheme.size()), now);
  if (const auto* rejected = std::get_if<identity::Rejected>(&verified))
    return refuse("invalid token: " + rejected->reason);
  const auto* claims = std::get_if<identity::SandboxClaims>(&verified);
  if (claims == nullptr) return refuse("invalid token: not issued by this gateway");
  TRY(check_state(*claims, presented, now));
  return Principal{PrincipalKind::sandbox, claims->sandbox_id, claims->jti};
}

}  // namespace keyward::gateway
