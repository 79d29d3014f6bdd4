#include "supervisor/trust.hpp"

#include <cstdint>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/trust_store.hpp"
#include "supervisor/child_environment.hpp"

namespace keyward::supervisor {
namespace {

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 255);
  out += static_cast<char>(value & 255);
}

void put32(std::string& out, std::size_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

void put_text(std::string& out, std::string_view text) {
  put16(out, text.size());
  out += text;
}

// A file that somebody named must hold what it was named for.
Result<std::string> read_named_store(const std::string& path) {
  TRY_ASSIGN(std::string pem, read_file(path));
  TRY_ASSIGN(const auto certificates, certificates_of(pem));
  if (certificates.empty()) return fail(Code::invalid, path + ": holds no CERTIFICATE block");
  return pem;
}

}  // namespace

Result<TrustStore> load_trust_store(const TrustOptions& options) {
  TrustStore store;
  if (!options.upstream_ca_only_file.empty()) {
    TRY_ASSIGN(store.pem, read_named_store(options.upstream_ca_only_file));
    return store;
  }
  TRY_ASSIGN(store.pem, system_trust_store());
  if (!options.upstream_ca_file.empty()) {
    TRY_ASSIGN(const std::string added, read_named_store(options.upstream_ca_file));
    store.pem += "\n" + added;
  } else if (store.pem.empty()) {
    store.said =
        "this image has no CA certificates: https upstreams cannot be verified; give "
        "--upstream-ca FILE";
  }
  return store;
}

Result<std::vector<std::string>> certificates_of(std::string_view pem) {
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----",
                             end = "-----END CERTIFICATE-----";
  std::vector<std::string> found;
  for (auto at = pem.find(begin); at != std::string_view::npos; at = pem.find(begin, at)) {
    const auto stop = pem.find(end, at);
    if (stop == std::string_view::npos)
      return fail(Code::invalid, "PEM: a CERTIFICATE block has no end");
    std::string body;
    for (const char c : pem.substr(at + begin.size(), stop - at - begin.size()))
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') body += c;
    Result<std::string> der = unbase64(body);
    if (!der) return fail_at("PEM", std::move(der).error());
    found.push_back(std::move(*der));
    at = stop + end.size();
  }
  return found;
}

std::string java_trust_store(const std::vector<std::string>& certificates) {
  constexpr std::size_t magic = 0xFEEDFEED, version = 2, trusted_certificate = 2;
  std::string store;
  put32(store, magic);
  put32(store, version);
  put32(store, certificates.size());
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    put32(store, trusted_certificate);
    put_text(store, "keyward-" + std::to_string(i));
    store.append(8, '\0');  // creation date: the epoch, so that equal bundles give equal files
    put_text(store, "X.509");
    put32(store, certificates[i].size());
    store += certificates[i];
  }
  // The integrity check: SHA-1 over the password in UTF-16, a fixed phrase, and everything above.
  std::string keyed;
  for (const char c : std::string_view("changeit")) (keyed += '\0') += c;
  keyed += "Mighty Aphrodite";
  const auto digest = sha1(keyed + store);
  return store.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

std::string nothing_but(const std::string& store_pem) {
  return store_pem.empty() ? "# no authorities\n" : store_pem;
}

Result<std::map<std::string, std::string>> trust_files(const std::string& ca_pem,
                                                       const std::string& store_pem) {
  const std::string bundle = store_pem + "\n" + ca_pem;
  TRY_ASSIGN(const auto certificates, certificates_of(bundle));
  return std::map<std::string, std::string>{
      {std::string(ca_certificate_path), ca_pem},
      {std::string(ca_bundle_path), bundle},
      {std::string(java_trust_store_path), java_trust_store(certificates)}};
}

}  // namespace keyward::supervisor
