#pragma once
// X.509-SVIDs and bundles as an agent gives them (X509-SVID standard, sections 2 to 5).  Pure.

#include <map>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "identity/grant/svid_source.hpp"

namespace keyward::identity {

struct X509SvidParts {  // DER
  std::string_view spiffe_id, certificates, key, bundle;
};

// The leaf's only URI is the SPIFFE ID, it is no CA, valid now, and the key's; the bundle has at
// least one certificate.  Errors (Code::denied) never quote what came.
Result<X509Svid> read_x509_svid(const X509SvidParts& parts, TimePoint now);

// By trust domain, and each with at least one certificate.  One that is wrong makes the whole
// answer worthless (SPIFFE Workload API section 4.5).  Errors (Code::denied) never quote what came.
Result<X509Bundles> read_x509_bundles(const std::map<std::string_view, std::string_view>& bundles);

}  // namespace keyward::identity
