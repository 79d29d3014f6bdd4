#include "netproxy/io/body_check.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/sigv4/verified_chunks.hpp"

namespace keyward::netproxy {
namespace {

class HashCheck final : public BodyCheck {
 public:
  explicit HashCheck(std::string declared) : declared_(std::move(declared)) {}
  void content(std::string_view bytes) override { hash_.update(bytes); }
  S3Result<> finish() override {
    std::string computed = hex(hash_.finish());
    if (computed == declared_) return {};
    return tl::unexpected(S3Error{S3Code::x_amz_content_sha256_mismatch,
                                  "the body's SHA-256 is not the one in x-amz-content-sha256",
                                  {{"ClientComputedContentSHA256", declared_},
                                   {"S3ComputedContentSHA256", std::move(computed)}}});
  }

 private:
  std::string declared_;
  Sha256 hash_;
};

class TrailerCheck final : public BodyCheck {
 public:
  explicit TrailerCheck(const AwsChunkedBody& body) : check_(body, std::nullopt) {}
  void content(std::string_view bytes) override { state_ = check_.update(bytes); }
  S3Result<> so_far() const override { return state_; }
  S3Result<> finish() override { return check_.finish(); }

 private:
  AwsChunkedCheck check_;
  S3Result<> state_;
};

}  // namespace

std::unique_ptr<BodyCheck> make_body_check(const Payload& payload) {
  if (payload.mode == PayloadMode::hex_hash) return std::make_unique<HashCheck>(payload.hash);
  if (payload.mode != PayloadMode::unsigned_trailer || !payload.chunked) return nullptr;
  return std::make_unique<TrailerCheck>(*payload.chunked);
}

}  // namespace keyward::netproxy
