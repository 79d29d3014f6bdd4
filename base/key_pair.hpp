#pragma once
// Certificates and private keys as PEM texts (RFC 7468): whether a TLS library can use them.  Pure.
// Neither dates nor signatures are looked at.

#include <string_view>

#include "base/result.hpp"

namespace keyward {

// At least one certificate, and none that is cut or broken.  Errors never quote the text.
Result<> check_certificates(std::string_view pem);

// The first certificate's public key is the private key's.  A key with a passphrase is refused.
Result<> check_key_pair(std::string_view certificates_pem, std::string_view key_pem);

}  // namespace keyward
