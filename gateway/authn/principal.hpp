#pragma once
// Who calls.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace keyward::gateway {

enum class PrincipalKind { anonymous, sandbox, user, operator_ };

// How a sandbox proved itself.
enum class SandboxProof { gateway_token, service_account };

enum class Role { none, user, admin };  // an admin may what a user may

struct User {
  std::string subject, display_name;
  std::string provider;  // oidc, mtls, local_dev
  std::vector<std::string> roles;
  Role role = Role::none;                          // what the roles come to
  std::optional<std::vector<std::string>> scopes;  // none: not limited by scopes
};

struct Principal {
  PrincipalKind kind = PrincipalKind::anonymous;
  std::string sandbox_id, jti;  // of a sandbox; no jti: proved by a ServiceAccount
  SandboxProof proof = SandboxProof::gateway_token;
  TimePoint expires{};  // of its gateway token
  User user{};
};

// The subject of a client certificate that TLS has verified.
struct CertificateSubject {
  std::string common_name;
  std::vector<std::string> units;  // OU
};

// What certgen writes into the organizational unit of a certificate.  A sandbox's certificate is
// never a user's.
constexpr std::string_view admin_unit = "openshell-admin", user_unit = "openshell-user",
                           sandbox_unit = "openshell-sandbox";

}  // namespace keyward::gateway
