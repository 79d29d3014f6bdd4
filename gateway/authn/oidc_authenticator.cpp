#include "gateway/authn/oidc_authenticator.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

constexpr std::size_t subject_limit = 255;  // OpenID Connect Core 1.0 section 2
constexpr std::string_view standard_scopes[] = {"openid",  "profile", "email",
                                                "address", "phone",   "offline_access"};

bool contains(const std::vector<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

Role role_of(const std::vector<std::string>& roles, const OidcRules& rules) {
  if (contains(roles, rules.admin_role)) return Role::admin;
  return contains(roles, rules.user_role) ? Role::user : Role::none;
}

std::string display_name_of(const identity::IssuerToken& token) {
  for (const char* claim : {"name", "preferred_username", "email"})
    if (std::string text = token.text({claim}); !text.empty()) return text;
  return {};
}

Principal user_of(const identity::IssuerToken& token, const OidcRules& rules) {
  Principal principal;
  principal.kind = PrincipalKind::user;
  User& user = principal.user;
  user.provider = "oidc";
  user.subject = token.text({"sub"});
  user.display_name = display_name_of(token);
  user.roles = token.texts(rules.roles_claim);
  user.role = role_of(user.roles, rules);
  if (rules.scopes_claim.empty()) return principal;
  user.scopes = token.texts(rules.scopes_claim);
  std::erase_if(*user.scopes, [](const std::string& scope) {
    return std::find(std::begin(standard_scopes), std::end(standard_scopes), scope) !=
           std::end(standard_scopes);
  });
  return principal;
}

}  // namespace

Verdict OidcAuthenticator::authenticate(std::string_view bearer, const Presented&, TimePoint now) {
  auto recognised = identity::IssuerToken::recognise(bearer, rules_.issuer);
  if (auto* declined = std::get_if<identity::Declined>(&recognised)) return std::move(*declined);
  const auto& token = std::get<identity::IssuerToken>(recognised);
  Result<std::optional<PublicKey>> key = keys_.find(token.kid(), now);
  if (!key) return std::move(key).error();
  const std::optional<PublicKey>& found = *key;
  if (!found) return identity::Declined{"unknown signing key"};
  if (const auto problem = token.problem(*found, rules_.audience, now))
    return Error{Code::unauthenticated, "invalid token: " + problem->reason};
  const std::string subject = token.text({"sub"});
  if (subject.empty() || subject.size() > subject_limit)
    return Error{Code::unauthenticated, "invalid token: sub is missing or too long"};
  return user_of(token, rules_);
}

}  // namespace keyward::gateway
