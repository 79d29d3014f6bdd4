#pragma once
// Token grants: what a provider's profile lets its sandboxes ask an authorization server for, bound
// to the profile's endpoints.  Pure.

#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "gateway/store/store.hpp"
#include "identity/grant/wire_key.hpp"
#include "providers.pb.h"

namespace keyward::gateway {

struct BoundGrant {
  identity::WireKey key;
  openshell::v1::ProviderProfileCredential credential;  // as dynamic_credentials has it
};

bool has_grants(const openshell::v1::ProviderProfile& profile);

// The variable under which a provider keeps the user's token that is the subject of this grant.
// Errors: it has no subject_credential; there is no such credential, or it is none that is stored
// under one variable.
Result<std::string> subject_variable(const openshell::v1::ProviderProfile& profile,
                                     const openshell::v1::ProviderProfileCredential& credential);
// All of them: they are for token exchanges, and given to nobody as other credentials are.
std::set<std::string> subject_variables(const openshell::v1::ProviderProfile& profile);

// For each credential with a grant one for each endpoint of the profile, and one for each override.
// Empty where the profile grants nothing.  Errors name the credential.
Result<std::vector<BoundGrant>> grants_of(const std::string& provider,
                                          const openshell::v1::ProviderProfile& profile);
// ... of one of its credentials.
Result<std::vector<BoundGrant>> grants_of(
    const std::string& provider, const openshell::v1::ProviderProfile& profile,
    const openshell::v1::ProviderProfileCredential& credential);

// In place of grants that cannot be had from the profile: what no supervisor takes, for each of its
// endpoints, so that nothing is sent there without a token.  An endpoint that cannot be read either
// stands for every place.
std::vector<BoundGrant> closing_grants(const std::string& provider,
                                       const openshell::v1::ProviderProfile& profile);

// What a supervisor would refuse of all that it is given: two for the same requests and the same
// header of which none is more specific, one JWT-SVID for two authorization servers.  The error
// (Code::precondition) names both.
Result<> check_together(const std::vector<BoundGrant>& grants);

// That, of each sandbox.
GivenRule grants_rule();

}  // namespace keyward::gateway
