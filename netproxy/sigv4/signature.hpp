#pragma once
// SigV4 steps 2 and 3: the string to sign, the derived key and the signature.  Pure.

#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace keyward::netproxy {

struct SigningScope {
  std::string date;  // YYYYMMDD
  std::string region, service;
  std::string text() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};

std::string string_to_sign(std::string_view amz_date, const SigningScope& scope,
                           std::string_view canonical_request);

// HMAC chain over date, region and service: good for one day, one region, one service.
Secret derive_signing_key(const Secret& secret_access_key, const SigningScope& scope);

std::string signature(const Secret& signing_key,
                      std::string_view text);  // 64 lower-case hex digits

std::string authorization_value(std::string_view access_key_id, const SigningScope& scope,
                                std::string_view signed_headers, std::string_view signature);

}  // namespace keyward::netproxy
