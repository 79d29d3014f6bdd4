#include "netproxy/sigv4/checksum.hpp"

#include <bit>
#include <cstring>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

static_assert(std::endian::native == std::endian::little, "Crc::update loads little-endian words");

constexpr std::size_t stride = 8;

// Slicing by eight: table[k][b] is the CRC of the byte b followed by k zero bytes.
template <class Word, Word polynomial>
constexpr std::array<std::array<Word, 256>, stride> make_tables() {
  std::array<std::array<Word, 256>, stride> tables{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    Word value = static_cast<Word>(byte);
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
    tables[0][byte] = value;
  }
  for (std::size_t k = 1; k < stride; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const Word previous = tables[k - 1][byte];
      tables[k][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  return tables;
}

template <class Word>
std::string big_endian(Word value) {
  std::string bytes(sizeof value, '\0');
  for (std::size_t i = bytes.size(); i-- > 0; value = static_cast<Word>(value >> 8))
    bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

template <class Word, Word polynomial>
std::string final_bytes(const Crc<Word, polynomial>& crc) {
  return big_endian(crc.value());
}
template <std::size_t size>
std::string final_bytes(StreamHash<size>& hash) {
  return std::string(as_chars(hash.finish()));
}

}  // namespace

template <class Word, Word polynomial>
void Crc<Word, polynomial>::update(std::string_view data) {
  static constexpr auto tables = make_tables<Word, polynomial>();
  Word state = state_;
  while (data.size() >= stride) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), sizeof word);
    word ^= state;
    state = 0;
    for (std::size_t i = 0; i < stride; ++i)
      state ^= tables[stride - 1 - i][(word >> (8 * i)) & 0xff];
    data.remove_prefix(stride);
  }
  for (const char c : data)
    state = (state >> 8) ^ tables[0][(state ^ static_cast<unsigned char>(c)) & 0xff];
  state_ = state;
}

template class Crc<std::uint32_t, 0xEDB88320>;
template class Crc<std::uint32_t, 0x82F63B78>;
template class Crc<std::uint64_t, 0x9A6C9329AC4BC9B5>;

std::optional<Checksum> Checksum::of_header(std::string_view header) {
  constexpr std::string_view prefix = "x-amz-checksum-";
  if (!header.starts_with(prefix)) return std::nullopt;
  const std::string_view name = header.substr(prefix.size());
  if (name == "crc32") return Checksum(State(Crc32()));
  if (name == "crc32c") return Checksum(State(Crc32c()));
  if (name == "crc64nvme") return Checksum(State(Crc64Nvme()));
  if (name == "sha1") return Checksum(State(Sha1()));
  if (name == "sha256") return Checksum(State(Sha256()));
  return std::nullopt;
}

void Checksum::update(std::string_view data) {
  std::visit([&](auto& state) { state.update(data); }, state_);
}

std::string Checksum::finish() {
  return base64(std::visit([](auto& state) { return final_bytes(state); }, state_));
}

}  // namespace keyward::netproxy
