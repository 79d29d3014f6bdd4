#pragma once
// Signing keys that the gateway derives from a secret that it keeps (docs/IDENTITY.md).  Pure.

#include "base/result.hpp"
#include "netproxy/credentials.hpp"
#include "openshell.pb.h"

namespace keyward::identity {

// All of one provider, or the first thing that is wrong with them: no key, a key id that could not
// stand in a credential scope, another length than 32 bytes, a date that is none or does not fit
// the validity, a region or service that is no name, the same scope twice, too many.  No key is in
// the error.  The wire's secrets are wiped either way.
Result<netproxy::BoundAwsCredentials> take_derived_keys(openshell::v1::DerivedKeyCredentials& wire);

}  // namespace keyward::identity
