#include "netproxy/io/body_check.hpp"

#include <charconv>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

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

// aws-chunked without signatures has the grammar of the chunked coding: sizes, content, trailers.
class TrailerCheck final : public BodyCheck {
 public:
  explicit TrailerCheck(std::string_view decoded_length) {
    std::from_chars(decoded_length.data(), decoded_length.data() + decoded_length.size(),
                    declared_);
  }
  void content(std::string_view bytes) override {
    while (!bytes.empty() && state_) {
      if (chunks_.done()) {
        state_ = fail(Code::invalid, "bytes after the end of the aws-chunked body");
        return;
      }
      const auto step = chunks_.next(bytes);
      if (!step) {
        state_ = fail_at("aws-chunked", step.error());
        return;
      }
      decoded_ += step->data.size();
      bytes.remove_prefix(step->consumed);
    }
  }
  Result<> finish() override {
    if (!state_) return state_;
    if (!chunks_.done()) return fail(Code::invalid, "the aws-chunked body is incomplete");
    if (decoded_ == declared_) return {};
    return fail(Code::invalid, "the body's length is not x-amz-decoded-content-length");
  }

 private:
  ChunkedReader chunks_;
  Result<> state_;
  std::uint64_t declared_ = 0, decoded_ = 0;
};

}  // namespace

std::unique_ptr<BodyCheck> make_body_check(const Payload& payload, const RequestHead& head) {
  if (payload.mode == PayloadMode::hex_hash || payload.mode == PayloadMode::empty)
    return std::make_unique<HashCheck>(payload.hash);
  if (payload.mode != PayloadMode::unsigned_trailer) return nullptr;
  const std::string* decoded = find_header(head.headers, "x-amz-decoded-content-length");
  return std::make_unique<TrailerCheck>(decoded != nullptr ? std::string_view(*decoded) : "");
}

}  // namespace keyward::netproxy
