#include "identity/spiffe/x509_svid.hpp"

#include "base/certificate.hpp"
#include "base/key_pair.hpp"
#include "identity/jwt/spiffe_id.hpp"
#include "identity/jwt/svid_leaf.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t chain_limit = 10, bundle_limit = 100;  // certificates

tl::unexpected<Error> refused(const std::string& why) {
  return fail(Code::denied, "X.509-SVID: " + why);
}

}  // namespace

Result<X509Svid> read_x509_svid(const X509SvidParts& parts, TimePoint now) {
  const auto id = parse_spiffe_id(parts.spiffe_id);
  if (!id || id->path.empty()) return refused("it names no workload's SPIFFE ID");
  const auto leaf = read_certificate(parts.certificates);
  if (!leaf) return refused("it " + leaf.error().what);
  if (const Result<> checked = check_svid_leaf(*leaf, parts.spiffe_id, now); !checked)
    return refused(checked.error().what);
  auto chain = certificates_to_pem(parts.certificates, chain_limit);
  if (!chain) return refused("its chain " + chain.error().what);
  auto bundle = certificates_to_pem(parts.bundle, bundle_limit);
  if (!bundle) return refused("its bundle " + bundle.error().what);
  auto key = private_key_to_pem(parts.key);
  if (!key) return refused("its key " + key.error().what);
  if (const Result<> paired = check_key_pair(*chain, key->reveal()); !paired)
    return refused(paired.error().what);
  return X509Svid{std::string(parts.spiffe_id),
                  std::move(*chain),
                  std::move(*bundle),
                  std::move(*key),
                  leaf->begins,
                  leaf->ends};
}

Result<X509Bundles> read_x509_bundles(const std::map<std::string_view, std::string_view>& bundles) {
  const auto wrong = [](const std::string& why) {
    return fail(Code::denied, "X.509 bundle: " + why);
  };
  if (bundles.empty()) return wrong("there is none");
  X509Bundles read;
  for (const auto& [name, der] : bundles) {
    const auto id = parse_spiffe_id(name);
    if (!id || !id->path.empty()) return wrong("its name is no trust domain");
    auto pem = certificates_to_pem(der, bundle_limit);
    if (!pem) return wrong("it " + pem.error().what);
    read.emplace(id->trust_domain, std::move(*pem));
  }
  return read;
}

}  // namespace keyward::identity
