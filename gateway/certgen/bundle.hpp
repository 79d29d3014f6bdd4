#pragma once
// What certgen makes, before it is laid down anywhere.

#include <string>
#include <vector>

#include "gateway/certgen/certificates.hpp"

namespace keyward::gateway {

struct TlsBundle {
  CertifiedKey ca, server, client;
};

Result<TlsBundle> make_tls_bundle(const std::vector<std::string>& server_names, TimePoint now);

// In its canonical form, unless it is there.
void add_server_name(std::vector<std::string>& names, const std::string& name);

// The default names and `more`; refuses what is no name.
Result<std::vector<std::string>> all_server_names(const std::vector<std::string>& more);

}  // namespace keyward::gateway
