#pragma once
// The wire's provider environment, turned into what the proxy and the child get.  Pure.

#include "identity/rpc/gateway_client.hpp"
#include "openshell.pb.h"

namespace keyward::identity {

// Static AWS keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN) with the bindings
// that all of them share.  Where any secret key lacks a binding, or the bindings differ, all static
// material is refused and `problems` says why; what is named in non_secret_environment_keys is
// configuration and needs none.  Derived keys: identity/rpc/derived_keys.hpp; those of one provider
// that are refused take no others along.  Token grants that cannot be used close the places that
// they are for.  The response's secrets are wiped.
ProviderEnvironment take_provider_environment(
    openshell::v1::GetSandboxProviderEnvironmentResponse& response);

}  // namespace keyward::identity
