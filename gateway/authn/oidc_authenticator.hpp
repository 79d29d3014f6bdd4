#pragma once
// Users by the access or ID tokens of an OpenID Connect issuer (OpenID Connect Core 1.0, RFC 9068).

#include "gateway/authn/authenticator.hpp"
#include "gateway/authn/jwks_cache.hpp"
#include "identity/jwt/issuer_token.hpp"

namespace keyward::gateway {

struct OidcRules {
  std::string issuer, audience;
  identity::IssuerToken::Path roles_claim = {"realm_access", "roles"};
  std::string admin_role = "openshell-admin", user_role = "openshell-user";
  identity::IssuerToken::Path scopes_claim;  // empty: scopes limit nothing
};

class OidcAuthenticator final : public Authenticator {
 public:
  OidcAuthenticator(OidcRules rules, JwksCache& keys) : rules_(std::move(rules)), keys_(keys) {}
  Verdict authenticate(std::string_view bearer, const Presented& presented, TimePoint now) override;

 private:
  const OidcRules rules_;
  JwksCache& keys_;
};

}  // namespace keyward::gateway
