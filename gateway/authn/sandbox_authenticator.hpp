#pragma once
// Sandboxes by the tokens that this gateway has issued.

#include "gateway/authn/authenticator.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/store/store.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {

class SandboxAuthenticator final : public Authenticator {
 public:
  // `overlap`: for how long a token that was refreshed still authenticates everything but another
  // refresh.  For supervisors that do not repeat a call that met the change (OpenShell's); 0 for
  // ours.
  SandboxAuthenticator(KeyRing& ring, identity::VerifyRules rules, Store& store,
                       std::chrono::seconds overlap = std::chrono::seconds(0))
      : ring_(ring), rules_(std::move(rules)), store_(store), overlap_(overlap) {}

  // A token of a deleted sandbox, a revoked or a superseded one is refused; a superseded one may
  // still repeat its own refresh.
  Verdict authenticate(std::string_view bearer, const Presented& presented, TimePoint now) override;

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
