#pragma once
// Who may call, as the options say it: the chain of authenticators, with what they ask.

#include <memory>

#include "gateway/authn/authenticator.hpp"
#include "gateway/authn/jwks_cache.hpp"
#include "gateway/authn/kubernetes_authenticator.hpp"
#include "gateway/options.hpp"

namespace keyward::gateway {

// Owns what the chain's authenticators refer to.
struct Authentication {
  std::unique_ptr<JwksCache> oidc_keys, cluster_keys;  // null: not configured
  std::unique_ptr<KubernetesApi> kubernetes;
  std::unique_ptr<ServiceAccountTokens> service_accounts;
  std::unique_ptr<AuthenticatorChain> chain;
};

// `sandboxes` is asked after Kubernetes, which acts on one method only, and before users.  An
// issuer that does not answer now is said on the log, and asked again when somebody calls.
Result<Authentication> make_authentication(const ServeOptions& options,
                                           std::unique_ptr<Authenticator> sandboxes,
                                           const Clock& clock);

}  // namespace keyward::gateway
