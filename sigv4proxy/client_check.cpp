#include "sigv4proxy/client_check.hpp"

namespace keyward::sigv4proxy {

using namespace netproxy;

S3Result<std::optional<ChunkAuthor>> check_client(const RequestHead& head,
                                                  const SigningTarget& target, TimePoint now,
                                                  VerificationKeys& keys) {
  const bool hmac = target.algorithm == SigningAlgorithm::hmac;
  const std::string_view region = hmac ? std::string_view(target.region) : std::string_view();
  const VerifierRules rules{target.service, region, path_style_of(target.service), now};
  TRY_ASSIGN(const VerifiedRequest request, verify_request(head, rules, keys));
  if (request.payload == SignedPayload::events) return s3_fail(S3Code::not_implemented);
  const bool chunks =
      request.payload == SignedPayload::chunks || request.payload == SignedPayload::chunks_trailer;
  return chunks ? std::optional(chunk_author(request)) : std::nullopt;
}

}  // namespace keyward::sigv4proxy
