#pragma once
// The certificate of a workload (X509-SVID standard, sections 2 to 5).  Pure.

#include <string_view>

#include "base/certificate.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::identity {

// Its only URI is that SPIFFE ID, it is no authority's, and it is valid now.  What TLS checks
// besides, the chain up to the trust domain's bundle, is not looked at.  Errors (Code::denied)
// never quote it.
Result<> check_svid_leaf(const CertificateFacts& leaf, std::string_view spiffe_id, TimePoint now);

}  // namespace keyward::identity
