#include "identity/spiffe/x509_svid.hpp"

#include "base/certificate.hpp"
#include "base/key_pair.hpp"
#include "identity/jwt/spiffe_id.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t chain_limit = 10, bundle_limit = 100;  // certificates

tl::unexpected<Error> refused(const std::string& why) {
  return fail(Code::denied, "X.509-SVID: " + why);
}

Result<> check_leaf(const CertificateFacts& leaf, std::string_view spiffe_id, TimePoint now) {
  if (leaf.uris.size() != 1) return refused("its certificate has not exactly one URI");
  if (leaf.uris[0] != spiffe_id) return refused("its certificate is another identity's");
  if (leaf.is_ca) return refused("its certificate is an authority's");
  if (now < leaf.begins) return refused("it is not valid yet");
  if (now >= leaf.ends) return refused("it has expired");
  return {};
}

}  // namespace

Result<X509Svid> read_x509_svid(const X509SvidParts& parts, TimePoint now) {
  const auto id = parse_spiffe_id(parts.spiffe_id);
  if (!id || id->path.empty()) return refused("it names no workload's SPIFFE ID");
  const auto leaf = read_certificate(parts.certificates);
  if (!leaf) return refused("it " + leaf.error().what);
  TRY(check_leaf(*leaf, parts.spiffe_id, now));
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

}  // namespace keyward::identity
