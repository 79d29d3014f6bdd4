#pragma once
// X.509 certificates in DER, as SPIFFE agents give them (RFC 5280): read, and turned into PEM.
// Pure. Signatures are not looked at.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward {

struct CertificateFacts {
  std::vector<std::string> uris;  // URIs among its subject alternative names
  bool is_ca = false;             // it says so, or its key may sign certificates or revocations
  TimePoint begins, ends;
};

// Certificates one after the other, the first one first: at least one, at most `limit`, and nothing
// else between, before or after them.
Result<std::string> certificates_to_pem(std::string_view der, std::size_t limit);

// Of the first certificate.
Result<CertificateFacts> read_certificate(std::string_view der);
Result<CertificateFacts> read_certificate_pem(std::string_view pem);

// PKCS#8 without a passphrase.  Errors never quote it.
Result<Secret> private_key_to_pem(std::string_view der);

}  // namespace keyward
