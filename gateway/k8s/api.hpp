#pragma once
// The little of the Kubernetes API that the gateway needs: `get` on pods of one namespace, and
// `create` on tokenreviews where those are used.

#include <memory>

#include "gateway/authn/kubernetes_authenticator.hpp"
#include "gateway/oidc/discovery.hpp"

namespace keyward::gateway {

struct KubernetesAccess {
  std::string url;         // of the API server, without a slash at its end
  std::string ca_pem;      // its CA
  std::string token_file;  // the gateway's own ServiceAccount token; read anew for each call
};

// From KUBERNETES_SERVICE_HOST and _PORT and the ServiceAccount volume, as every pod has them.
Result<std::string> in_cluster_url();

// Errors of the API server, of the way to it and of the gateway's own token are Code::unavailable;
// a pod that is not there is Code::not_found.
std::unique_ptr<KubernetesApi> make_kubernetes_api(const KubernetesAccess& access);

// The cluster's issuer and its keys, by the API server's discovery.
Result<IssuerKeys> cluster_keys(const KubernetesAccess& access);

}  // namespace keyward::gateway
