#include "netproxy/io/buffer.hpp"

#include <vector>

namespace keyward::netproxy {
namespace {

constexpr std::size_t spare_limit = 64;

std::vector<std::unique_ptr<char[]>>& spares() {
  thread_local std::vector<std::unique_ptr<char[]>> list;
  return list;
}

}  // namespace

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Buffer::take() {
  if (bytes_) return;
  if (spares().empty()) {
    bytes_ = std::make_unique_for_overwrite<char[]>(buffer_size);
    return;
  }
  bytes_ = std::move(spares().back());
  spares().pop_back();
}

void Buffer::give_back() {
  if (bytes_ && spares().size() < spare_limit) spares().push_back(std::move(bytes_));
  bytes_.reset();
}

}  // namespace keyward::netproxy
