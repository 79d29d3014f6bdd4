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
  Result<> finish() override {
    if (hex(hash_.finish()) == declared_) return {};
    return fail(Code::invalid, "the body's SHA-256 is not the one in x-amz-content-sha256");
  }

 private:
  std::string declared_;
  Sha256 hash_;
};

class TrailerCheck final : public BodyCheck {
 public:
  explicit TrailerCheck(const AwsChunkedBody& body) : check_(body, std::nullopt) {}
  void content(std::string_view bytes) override { (void)check_.update(bytes); }
  Result<> finish() override {
    const auto agreed = check_.finish();
    if (!agreed) return fail(Code::invalid, agreed.error().message);
    return {};
  }

 private:
  AwsChunkedCheck check_;
};

}  // namespace

std::unique_ptr<BodyCheck> make_body_check(const Payload& payload) {
  if (payload.mode == PayloadMode::hex_hash || payload.mode == PayloadMode::empty)
    return std::make_unique<HashCheck>(payload.hash);
  if (payload.mode != PayloadMode::unsigned_trailer || !payload.chunked) return nullptr;
  return std::make_unique<TrailerCheck>(*payload.chunked);
}

}  // namespace keyward::netproxy
