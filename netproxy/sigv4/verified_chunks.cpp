#include "netproxy/sigv4/verified_chunks.hpp"

#include "base/bytes.hpp"

namespace keyward::netproxy {

using Kind = ChunkStep::Kind;

VerifiedChunks::VerifiedChunks(const AwsChunkedBody& body, const std::optional<ChunkAuthor>& author)
    : form_(body.form), decoder_(body.form, body.decoded_length), trailers_(body.trailers) {
  if (form_.signing == ChunkSigning::none || !author) return;
  chain_.emplace(author->chain);
  key_ = author->key;
}

S3Result<ChunkStep> VerifiedChunks::next(std::string_view& bytes) {
  if (failure_) return tl::unexpected(*failure_);
  auto step = decoder_.next(bytes);
  if (step) step = check(*step);
  if (!step) failure_ = step.error();
  return step;
}

S3Result<> VerifiedChunks::finish() const {
  if (failure_) return tl::unexpected(*failure_);
  if (decoder_.done()) return {};
  return s3_fail(S3Code::incomplete_body,
                 "aws-chunked body: it ended before its last chunk and trailer");
}

S3Result<ChunkStep> VerifiedChunks::check(ChunkStep step) {
  const bool is_signed = form_.signing != ChunkSigning::none;
  switch (step.kind) {
    case Kind::data:
      if (is_signed) data_.update(step.data);
      trailers_.update(step.data);
      break;
    case Kind::chunk_end:
    case Kind::last_chunk:
      if (!is_signed) break;
      hash_ = data_.finish();
      if (chain_) TRY(verify(*chain_, chain_->of_chunk(hash_)));
      if (!chain_) return s3_fail(S3Code::signature_does_not_match);
      break;
    case Kind::trailer:
      TRY(trailers_.take(step.data.substr(0, step.colon), trim(step.data.substr(step.colon + 1))));
      break;
    case Kind::trailer_signature:
      TRY(trailers_.all_taken());
      hash_ = trailers_.block_hash();
      if (chain_) TRY(verify(*chain_, chain_->of_trailer(hash_)));
      break;
    case Kind::end:
      TRY(trailers_.all_taken());
      break;
    case Kind::more:
    case Kind::chunk:
      break;
  }
  return step;
}

S3Result<> VerifiedChunks::verify(ChunkChain& chain, std::string_view string_to_sign) {
  const std::string_view signature = decoder_.signature();
  if (key_ && key_->verifies(string_to_sign, signature)) {
    chain.advance(signature);
    return {};
  }
  auto error = s3_fail(S3Code::signature_does_not_match);
  error.value().details = {{"StringToSign", std::string(string_to_sign)},
                           {"SignatureProvided", std::string(signature)}};
  return error;
}

S3Result<> AwsChunkedCheck::update(std::string_view bytes) {
  while (!bytes.empty()) TRY(chunks_.next(bytes));
  return {};
}

}  // namespace keyward::netproxy
