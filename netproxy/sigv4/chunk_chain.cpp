#include "netproxy/sigv4/chunk_chain.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::size_t hash_width = 64;
constexpr std::size_t room =  // previous signature and two hashes
    signature_width(ChunkSigning::ecdsa) + 2 * (1 + hash_width);

void append_hex(std::string& text, const Digest& digest) {
  std::array<char, hash_width> characters;
  write_hex(digest, characters.data());
  text.append(characters.data(), characters.size());
}

std::string beginning(const ChunkChainStart& start, std::string_view what) {
  std::string text =
      start.signing == ChunkSigning::ecdsa ? "AWS4-ECDSA-P256-SHA256-" : "AWS4-HMAC-SHA256-";
  text.append(what).append("\n").append(start.amz_date).append("\n").append(start.scope);
  text.append("\n");
  text.reserve(text.size() + room);
  return text;
}

}  // namespace

ChunkChain::ChunkChain(const ChunkChainStart& start)
    : chunk_(beginning(start, "PAYLOAD")),
      trailer_(beginning(start, "TRAILER")),
      chunk_begin_(chunk_.size()),
      trailer_begin_(trailer_.size()) {
  advance(start.seed_signature);
}

std::string_view ChunkChain::of_chunk(const Digest& data_hash) {
  chunk_.resize(chunk_begin_);
  chunk_.append(previous_.text()).append("\n").append(empty_hash).append("\n");
  append_hex(chunk_, data_hash);
  return chunk_;
}

std::string_view ChunkChain::of_trailer(const Digest& block_hash) {
  trailer_.resize(trailer_begin_);
  trailer_.append(previous_.text()).append("\n");
  append_hex(trailer_, block_hash);
  return trailer_;
}

void ChunkChain::advance(std::string_view signature) {
  previous_.size = std::min(signature.size(), previous_.characters.size());
  std::copy_n(signature.begin(), previous_.size, previous_.characters.begin());
}

}  // namespace keyward::netproxy
