#pragma once
// An issuer's keys by OpenID Connect Discovery 1.0: its configuration document, then its key set.

#include "gateway/authn/jwks_cache.hpp"
#include "identity/http/client.hpp"

namespace keyward::gateway {

// Where an issuer is asked.
struct DiscoverySource {
  std::string base;    // URL; …/.well-known/openid-configuration
  std::string issuer;  // what the document must call itself; empty: whatever it does
  // The key set is fetched from `base`, whatever host the document names (Kubernetes' API server
  // may name one that is not reachable from here).
  bool keys_at_base = false;
};

// Blocks for at most twice the settings' deadline.  `bearer` may be empty.
Result<IssuerKeys> discover_keys(const identity::HttpSettings& settings,
                                 const DiscoverySource& source, const Secret& bearer);

// https, or http where it is a loopback address.
Result<> check_issuer_url(const std::string& setting, const std::string& url);

}  // namespace keyward::gateway
