#include "netproxy/io/chunk_sides.hpp"

#include "netproxy/sigv4/signing_keys.hpp"
#include "netproxy/sigv4/verifier.hpp"

namespace keyward::netproxy {
namespace {

class PlaceholderOnly final : public VerificationKeys {
 public:
  explicit PlaceholderOnly(const Placeholder& placeholder) : placeholder_(placeholder) {}
  S3Result<VerificationKey> find(const SignatureClaim& claim) override {
    if (claim.access_key_id != placeholder_.access_key_id)
      return s3_fail(S3Code::invalid_access_key_id);
    return SecretAccessKey{placeholder_.secret_access_key.clone()};
  }

 private:
  const Placeholder& placeholder_;
};

std::shared_ptr<const ChunkVerifier> verifier_of(const VerifiedRequest& request) {
  if (const auto* key = std::get_if<P256PublicKey>(&request.key))
    return std::make_shared<EcdsaChunkVerifier>(*key);
  return std::make_shared<HmacChunkKey>(std::get<std::shared_ptr<const HmacSha256>>(request.key));
}

ChunkSigning signing_of(SigningAlgorithm algorithm) {
  return algorithm == SigningAlgorithm::hmac ? ChunkSigning::hmac : ChunkSigning::ecdsa;
}

Result<std::shared_ptr<const ChunkSigner>> signer_of(const SigningInput& input,
                                                     const SigningScope& scope) {
  SigningKeys own;
  SigningKeys& keys = input.keys != nullptr ? *input.keys : own;
  const AwsCredentials& credentials = input.credentials;
  if (scope.algorithm == SigningAlgorithm::ecdsa) {
    TRY_ASSIGN(P256PrivateKey pair,
               keys.key_pair(credentials.access_key_id, credentials.secret_access_key));
    return std::make_shared<EcdsaChunkSigner>(std::move(pair));
  }
  if (input.derived != nullptr)
    return std::make_shared<HmacChunkKey>(
        std::make_shared<const HmacSha256>(input.derived->bytes.reveal()));
  return std::make_shared<HmacChunkKey>(
      keys.get(credentials.access_key_id, credentials.secret_access_key, scope));
}

}  // namespace

ChunkAuthor chunk_author(const VerifiedRequest& request) {
  const SignatureClaim& claim = request.claim;
  return {{signing_of(claim.scope.algorithm), claim.amz_date, claim.scope.text(), claim.signature},
          verifier_of(request)};
}

S3Result<ChunkAuthor> verify_chunk_author(const RequestHead& client_head,
                                          const Placeholder& placeholder,
                                          const SigningInput& input) {
  const bool hmac = input.target.algorithm == SigningAlgorithm::hmac;
  VerifierRules rules{input.target.service, hmac ? std::string_view(input.target.region) : "",
                      path_style_of(input.target.service), input.now};
  rules.keys = input.keys;
  PlaceholderOnly keys(placeholder);
  TRY_ASSIGN(const VerifiedRequest request, verify_request(client_head, rules, keys));
  return chunk_author(request);
}

Result<ChunkEditor> chunk_editor(const RequestHead& signed_head, const SigningInput& input,
                                 std::string seed_signature) {
  const std::string* date = find_header(signed_head.headers, "x-amz-date");
  if (date == nullptr) return fail(Code::internal, "sigv4: a signed request without x-amz-date");
  const bool hmac = input.target.algorithm == SigningAlgorithm::hmac;
  const SigningScope scope{date->substr(0, 8), hmac ? input.target.region : "",
                           input.target.service, input.target.algorithm};
  TRY_ASSIGN(std::shared_ptr<const ChunkSigner> key, signer_of(input, scope));
  return ChunkEditor{{signing_of(scope.algorithm), *date, scope.text(), std::move(seed_signature)},
                     std::move(key)};
}

std::optional<std::uint64_t> frame_chunks(RequestHead& head, const AwsChunkedBody& body,
                                          ChunkSigning leaves) {
  const bool has_length = head.framing == Framing::length && leaves == body.form.signing;
  const auto length =
      plan_content_length(body, has_length ? std::optional(head.content_length) : std::nullopt);
  remove_header(head.headers, length ? "transfer-encoding" : "content-length");
  if (length)
    set_header(head.headers, "Content-Length", std::to_string(*length));
  else
    set_header(head.headers, "Transfer-Encoding", "chunked");
  return length;
}

}  // namespace keyward::netproxy
