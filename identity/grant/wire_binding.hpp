#pragma once
// One entry of the wire's dynamic_credentials as a binding (ProviderProfileCredential with a
// token_grant, expanded by the gateway).  Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "identity/grant/binding.hpp"

namespace keyward::identity {

// The wire's fields, as they came.
struct WireCredential {
  std::string name, auth_style, header_name;
  std::string token_endpoint, audience, svid_audience, client_assertion_type;
  std::vector<std::string> scopes;
  std::int64_t cache_ttl_seconds = 0;
  bool has_overrides = false;  // the gateway expands them into entries of their own
  // Keyward's own fields.
  std::string grant_type, issuer, client_id, requested_token_type, client_auth;
  std::vector<std::string> resources;
  bool cleartext = false;
  AwsGrant aws;
  std::string subject_credential, svid_role, subject_version, assertion;
};

// Whoever does not know Keyward's own fields would ask for something else.
bool is_extended(const WireCredential& credential);

// What the credential asks for and in which header the token goes: a binding that has neither a
// place nor a name yet.  Overrides are not looked at.
Result<GrantBinding> read_wire_grant(const WireCredential& credential);

// An empty jwt_svid_audience is derived from the token endpoint, an empty client_assertion_type is
// jwt-bearer, an empty grant_type client_credentials, an empty svid_role beside a
// subject_credential actor, and cache_ttl_seconds 0 means as long as the
// server says.  Of aws_web_identity an empty token_endpoint is Amazon's STS in the region, and then
// an empty jwt_svid_audience is sts.amazonaws.com.  Refused (Code::invalid, Code::unsupported): a
// malformed key, one that names another credential, overrides, and whatever BindingTable::build
// would refuse of it.
Result<GrantBinding> read_wire_binding(std::string_view key, const WireCredential& credential);

}  // namespace keyward::identity
