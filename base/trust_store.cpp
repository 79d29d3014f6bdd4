#include "base/trust_store.hpp"

#include <array>

#include "base/file.hpp"

namespace keyward {
namespace {

constexpr std::array<const char*, 6> usual_stores = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",                   // older Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/etc/ssl/cert.pem",                                  // Alpine, BSDs
    "/etc/ssl/certs/ca-bundle.crt"};

}  // namespace

Result<std::string> system_trust_store() {
  for (const char* path : usual_stores) {
    Result<std::string> content = read_file(path, std::size_t{16} << 20);
    if (content || content.error().code != Code::not_found) return content;
  }
  return std::string();
}

}  // namespace keyward
