#pragma once
// The checksums that S3 clients declare for an object (S3 API Reference, "Checking object
// integrity").  Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/crypto.hpp"

namespace keyward::netproxy {

// A reflected CRC with initial value and final xor of all ones.
template <class Word, Word polynomial>
class Crc {
 public:
  void update(std::string_view data);
  Word value() const { return static_cast<Word>(~state_); }

 private:
  Word state_ = static_cast<Word>(~Word{0});
};
using Crc32 = Crc<std::uint32_t, 0xEDB88320>;
using Crc32c = Crc<std::uint32_t, 0x82F63B78>;
using Crc64Nvme = Crc<std::uint64_t, 0x9A6C9329AC4BC9B5>;

class Checksum {
 public:
  // `header`: x-amz-checksum-crc32, -crc32c, -crc64nvme, -sha1 or -sha256, lower case; nullopt for
  // any other.
  static std::optional<Checksum> of_header(std::string_view header);

  void update(std::string_view data);
  std::string finish();  // base64, as it stands in the header; ends the stream

 private:
  using State = std::variant<Crc32, Crc32c, Crc64Nvme, Sha1, Sha256>;
  explicit Checksum(State state) : state_(std::move(state)) {}
  State state_;
};

}  // namespace keyward::netproxy
