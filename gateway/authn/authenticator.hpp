#pragma once
// The chain that turns what a call presents into a principal.

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/authn/principal.hpp"
#include "identity/jwt/verdict.hpp"

namespace keyward::gateway {

// What a call presents.
struct Presented {
  std::string_view authorization;  // empty: no header
  std::string_view refresh_id;     // x-keyward-refresh-id, only looked at for refreshes
  std::string_view method;         // the RPC's name
  const CertificateSubject* certificate = nullptr;  // null: none was shown
  std::string_view source{};  // what calls from there are counted by (gateway/rpc/source.hpp)
};

// Produced, not mine, or mine and refused: then nobody else is asked.
using Verdict = std::variant<Principal, identity::Declined, Error>;

// One way to prove who calls.  Any thread; an authenticator may wait for its issuer, and then holds
// up no more than one thread at a time.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // `bearer`: the token of the header; empty where the call carries none.
  virtual Verdict authenticate(std::string_view bearer, const Presented& presented,
                               TimePoint now) = 0;
};

class AuthenticatorChain {
 public:
  // Asked in this order.
  explicit AuthenticatorChain(std::vector<std::unique_ptr<Authenticator>> authenticators)
      : authenticators_(std::move(authenticators)) {}

  // Anonymous where nothing is presented.  Code::unauthenticated with the reason where something is
  // and nobody takes it.
  Result<Principal> authenticate(const Presented& presented, TimePoint now) const;

 private:
  std::vector<std::unique_ptr<Authenticator>> authenticators_;
};

}  // namespace keyward::gateway
