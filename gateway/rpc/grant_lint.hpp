#pragma once
// What is wrong with a profile's token grants.  Pure.

#include <functional>
#include <string>

#include "providers.pb.h"

namespace keyward::gateway {

// The field (credentials.NAME.token_grant.token_endpoint …) and what is wrong with it.
using SayProblem = std::function<void(const std::string& field, const std::string& message)>;

// Each grant for itself, then all of the profile together.  Beside what no supervisor takes,
// refused are: http and hosts of this machine for a token endpoint, and endpoints without TLS,
// unless the grant says that they are meant; endpoints that are not opened (`tls: skip`, `protocol:
// tcp`), that sign in the same header, or that do not sign with the keys of a grant; a variable for
// what no variable ever holds; a subject_credential that is not stored.
void lint_grants(const openshell::v1::ProviderProfile& profile, const SayProblem& say);

}  // namespace keyward::gateway
