#include "gateway/authn/authenticator.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view scheme = "Bearer ";  // exactly so, as OpenShell's gateway reads it

}  // namespace

Result<Principal> AuthenticatorChain::authenticate(const Presented& presented,
                                                   TimePoint now) const {
  const std::string_view header = presented.authorization;
  if (!header.empty() && !header.starts_with(scheme))
    return fail(Code::unauthenticated, "the authorization header must be: Bearer TOKEN");
  const std::string_view bearer = header.empty() ? header : header.substr(scheme.size());
  if (!header.empty() && bearer.empty())
    return fail(Code::unauthenticated, "invalid token: it is empty");
  std::string why;
  for (const auto& authenticator : authenticators_) {
    Verdict verdict = authenticator->authenticate(bearer, presented, now);
    if (auto* principal = std::get_if<Principal>(&verdict)) return std::move(*principal);
    if (auto* error = std::get_if<Error>(&verdict)) return tl::unexpected(std::move(*error));
    if (auto& reason = std::get<identity::Declined>(verdict).reason; !reason.empty())
      why = std::move(reason);
  }
  if (bearer.empty()) return Principal{};
  return fail(Code::unauthenticated,
              "invalid token: " + (why.empty() ? "not issued by this gateway" : why));
}

}  // namespace keyward::gateway
