#pragma once
// The credentials of one sandbox, as the proxy sees them: an immutable snapshot that identity
// replaces as a whole.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/snapshot.hpp"
#include "netproxy/endpoint_binding.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

struct BoundAwsCredentials {
  std::string provider;  // record name, for credential_binding.provider and for audit
  std::vector<EndpointBinding> bindings;  // empty = usable nowhere
  AwsCredentials keys;
  std::optional<TimePoint> expires;  // unusable from then on
  std::string missing = {};  // why there are no keys, for whoever needs them; empty: there are

  BoundAwsCredentials clone() const;
};

struct Credentials {
  std::vector<BoundAwsCredentials> aws;
};

// A copy without the derived keys whose time is over; none: all of them are still good.
std::optional<Credentials> without_old_keys(const Credentials& credentials, TimePoint now);

// The key pair that the sandboxed program holds instead of real ones: random, well-formed, one per
// sandbox.
struct Placeholder {
  std::string access_key_id;  // "AKIA" and 16 of A-Z 2-7
  Secret secret_access_key;   // 40 characters
};
Placeholder make_placeholder();

// What a request needs credentials for.
struct CredentialRequest {
  std::string_view host;  // canonical
  std::uint16_t port = 0;
  std::string_view path;      // canonical
  std::string_view provider;  // credential_binding.provider; empty = any
};

// The credentials whose binding fits best, or an error that says what is missing (none bound,
// expired, ambiguous).  The pointer lives as long as the snapshot.
Result<const BoundAwsCredentials*> select_aws(const Credentials& credentials,
                                              const CredentialRequest& request, TimePoint now);

}  // namespace keyward::netproxy
