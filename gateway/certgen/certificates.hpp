#pragma once
// The gateway's own PKI (RFC 5280): one CA, certificates of servers and of clients.  EC P-256.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "gateway/authn/principal.hpp"

namespace keyward::gateway {

struct CertifiedKey {
  std::string certificate_pem;
  Secret key_pem;  // PKCS#8
};

Result<CertifiedKey> make_ca(TimePoint now);  // ten years, pathlen 0

// Signed by `ca`, two years.  `names` are DNS names (one leading `*.` allowed) and IP literals.
Result<CertifiedKey> make_server(const CertifiedKey& ca, const std::vector<std::string>& names,
                                 TimePoint now);
Result<CertifiedKey> make_client(const CertifiedKey& ca, const CertificateSubject& name,
                                 TimePoint now);

// Of somebody else's certificate; its signature is not looked at.
Result<CertificateSubject> certificate_subject(const std::string& certificate_pem);

// The certificate's subject alternative names, DNS names in lower case and IP literals.
Result<std::vector<std::string>> subject_names(const std::string& certificate_pem);

// Lower case, IP literals in their canonical form.
std::string canonical_subject_name(const std::string& name);

// Refuses what is neither a DNS name nor an IP literal: extensions are made from text.
Result<> check_subject_name(const std::string& name);

}  // namespace keyward::gateway
