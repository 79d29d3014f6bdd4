#pragma once
// Users that need no issuer: by a client certificate of our own CA, and the development user.  Both
// are asked only where a call carries no token: a bad one must not make its bearer somebody else.

#include "gateway/authn/authenticator.hpp"

namespace keyward::gateway {

// By the organizational unit: openshell-admin or openshell-user.
class CertificateAuthenticator final : public Authenticator {
 public:
  Verdict authenticate(std::string_view bearer, const Presented& presented, TimePoint now) override;
};

// Everybody without a token may do everything.  For a loopback address, where it was asked for.
class DevelopmentAuthenticator final : public Authenticator {
 public:
  Verdict authenticate(std::string_view bearer, const Presented& presented, TimePoint now) override;
};

}  // namespace keyward::gateway
