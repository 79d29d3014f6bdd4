#include "identity/jwt/svid_leaf.hpp"

namespace keyward::identity {

Result<> check_svid_leaf(const CertificateFacts& leaf, std::string_view spiffe_id, TimePoint now) {
  const auto refused = [](const char* why) { return fail(Code::denied, why); };
  if (leaf.uris.size() != 1) return refused("its certificate has not exactly one URI");
  if (leaf.uris[0] != spiffe_id) return refused("its certificate is another identity's");
  if (leaf.is_ca) return refused("its certificate is an authority's");
  if (now < leaf.begins) return refused("it is not valid yet");
  if (now >= leaf.ends) return refused("it has expired");
  return {};
}

}  // namespace keyward::identity
