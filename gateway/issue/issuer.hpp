#pragma once
// Mints sandbox tokens: mint first, then persist, then answer.

#include <chrono>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/store/store.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {

struct IssuedToken {
  Secret token;
  TimePoint expires;
};

class Issuer {
 public:
  // `life` is positive: tokens that never end are refused where the configuration is read.
  Issuer(const KeyRing& ring, const std::string& gateway_id, std::chrono::seconds life,
         Store& store)
      : ring_(ring), issuer_(identity::issuer_of(gateway_id)), life_(life), store_(store) {}

  Result<IssuedToken> issue(const std::string& sandbox_id, TimePoint now);
  // The old token authenticates nothing when this returns, except a repeat with the same refresh
  // id.
  Result<IssuedToken> refresh(const std::string& sandbox_id, const std::string& old_jti,
                              const std::string& refresh_id, TimePoint now);

  identity::VerifyRules rules() const { return {issuer_, life_}; }

 private:
  struct Minted {
    IssuedToken token;
    TokenRow row;
  };
  Result<Minted> mint(const std::string& sandbox_id, TimePoint now) const;

  const KeyRing& ring_;
  std::string issuer_;
  std::chrono::seconds life_;
  Store& store_;
};

}  // namespace keyward::gateway
