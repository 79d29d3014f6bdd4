#pragma once
// X.509-SVIDs as an agent gives them (X509-SVID standard, sections 2 to 5).  Pure.

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::identity {

// What TLS needs: PEM, the leaf first.
struct X509Svid {
  std::string spiffe_id, certificates_pem, bundle_pem;
  Secret key_pem;
  TimePoint begins, expires;
};

struct X509SvidParts {  // DER
  std::string_view spiffe_id, certificates, key, bundle;
};

// The leaf's only URI is the SPIFFE ID, it is no CA, valid now, and the key's; the bundle has at
// least one certificate.  Errors (Code::denied) never quote what came.
Result<X509Svid> read_x509_svid(const X509SvidParts& parts, TimePoint now);

}  // namespace keyward::identity
