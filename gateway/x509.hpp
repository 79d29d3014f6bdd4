#pragma once
// X.509 certificates for the gateway's own TLS (RFC 5280), over OpenSSL.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/result.hpp"

namespace keyward::gateway {

struct CertificateSpec {
  std::string common_name, organizational_unit;
  std::vector<std::string> names;  // host names and IP addresses; of a server
  enum class Kind { authority, server, client } kind = Kind::server;
  TimePoint from, until;
};

// A key and its certificate, as PEM.
struct Certified {
  std::string certificate_pem;
  Secret key_pem;  // PKCS#8
};

// `issuer` null: signed by itself.
Result<Certified> certify(const CertificateSpec& spec, const Certified* issuer);

// Which of the names the certificate does not cover.
Result<std::vector<std::string>> missing_names(const std::string& certificate_pem,
                                               const std::vector<std::string>& names);

}  // namespace keyward::gateway
