#pragma once
// SigV4a's key pair and region sets (aws-c-auth source/key_derivation.c; NIST SP 800-108, KDF in
// counter mode, with the candidate test of FIPS 186-4 appendix B.4.2).  Pure.

#include <functional>
#include <string_view>

#include "base/crypto.hpp"
#include "base/p256.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::netproxy {

// The key pair of a credential: the same for every date, region and service.
Result<P256PrivateKey> derive_sigv4a_key(std::string_view access_key_id,
                                         const Secret& secret_access_key);

// The derivation with the MAC as a parameter, because only one key in 2^32 needs a second round.
// Code::internal: no candidate of 254 is in range.
using Sigv4aMac = std::function<Digest(std::string_view input)>;
Result<Secret> sigv4a_private_number(std::string_view access_key_id, const Sigv4aMac& mac);

// Whether X-Amz-Region-Set ("us-east-1,eu-*", "*") names the region; `*` stands for any rest.
bool region_set_covers(std::string_view region_set, std::string_view region);

}  // namespace keyward::netproxy
