#pragma once
// The PEM files of the gateway's TLS, which may be replaced while the supervisor runs.

#include <optional>

#include "base/result.hpp"
#include "identity/rpc/endpoint.hpp"

namespace keyward::identity {

// `held` with what its files hold now; none where that is what it has already.  An error, which
// names the variable, where a file cannot be read, is cut, or the key is not the certificate's: a
// rotation that is under way, or one that went wrong.
Result<std::optional<GatewayEndpoint>> changed_tls(const GatewayEndpoint& held);

}  // namespace keyward::identity
