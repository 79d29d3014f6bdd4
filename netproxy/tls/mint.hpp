#pragma once
// Certificates of the ephemeral CA (RFC 5280), in the shape that every TLS client accepts.

#include <string>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/result.hpp"
#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

Result<KeyPtr> make_p256_key();

struct Issuer {
  X509Ptr certificate;
  KeyPtr key;
};
// Self-signed, pathlen 0, valid from five minutes ago for a year.
Result<Issuer> make_issuer(TimePoint now);

constexpr std::chrono::hours leaf_life{48};
// serverAuth for exactly `host` (canonical name or IP literal), valid from five minutes ago.
Result<X509Ptr> mint_leaf(const Issuer& issuer, evp_pkey_st* leaf_key, const std::string& host,
                          TimePoint now);

Result<std::string> to_pem(x509_st* certificate);

}  // namespace keyward::netproxy
