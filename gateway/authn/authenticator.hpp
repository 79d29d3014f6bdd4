#pragma once
// Who calls.  A caller is a sandbox by its token, the operator by the root-only socket, or
// anonymous.

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/store/store.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {

enum class PrincipalKind { anonymous, sandbox, operator_ };

struct Principal {
  PrincipalKind kind = PrincipalKind::anonymous;
  std::string sandbox_id, jti;  // of a sandbox
};

// What a call presents.
struct Presented {
  std::string_view authorization;  // empty: no header
  std::string_view refresh_id;     // x-keyward-refresh-id, only looked at for refreshes
  bool is_refresh = false;         // the method is RefreshSandboxToken
};

class Authenticator {
 public:
  // `overlap`: for how long a token that was refreshed still authenticates everything but another
  // refresh.  For supervisors that do not repeat a call that met the change (OpenShell's); 0 for
  // ours.
  Authenticator(KeyRing& ring, identity::VerifyRules rules, Store& store,
                std::chrono::seconds overlap = std::chrono::seconds(0))
      : ring_(ring), rules_(std::move(rules)), store_(store), overlap_(overlap) {}

  // Code::unauthenticated with the wire contract's text.  A token of a deleted sandbox, a revoked
  // or a superseded one is refused; a superseded one may still repeat its own refresh.
  Result<Principal> authenticate(const Presented& presented, TimePoint now);

 private:
  identity::Verification verify(std::string_view token, TimePoint now);
  Result<> check_state(const identity::SandboxClaims& claims, const Presented& presented,
                       TimePoint now);

  KeyRing& ring_;
  identity::VerifyRules rules_;
  Store& store_;
  std::chrono::seconds overlap_;
};

}  // namespace keyward::gateway
