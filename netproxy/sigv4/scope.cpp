// The client's own signature, as far as re-signing needs it (netproxy/sigv4/signer.hpp,
// client_scope).

#include "netproxy/sigv4/claim.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

Result<std::optional<ClientScope>> client_scope(const RequestHead& head) {
  const auto fields = read_claim_fields(head);
  if (!fields) return fail(Code::invalid, fields.error().message);
  const std::optional<ClaimFields>& found = *fields;
  if (!found) return std::optional<ClientScope>();
  const ClaimFields& claim = *found;
  auto credential = read_credential(claim.credential, claim.algorithm);
  if (!credential) return fail(Code::invalid, "the signature's credential scope is malformed");
  std::string region = claim.region_set;
  if (claim.algorithm == SigningAlgorithm::hmac) region = std::move(credential->scope.region);
  return ClientScope{std::move(credential->access_key_id),
                     std::move(credential->scope.date),
                     std::move(region),
                     std::move(credential->scope.service),
                     claim.algorithm,
                     claim.presigned};
}

}  // namespace keyward::netproxy
