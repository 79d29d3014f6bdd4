#pragma once
// Memory for bytes on their way, from a list that each thread keeps.

#include <cstddef>
#include <memory>
#include <utility>

namespace keyward::netproxy {

constexpr std::size_t buffer_size = std::size_t{64} * 1024;

// buffer_size bytes, or nothing.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { give_back(); }
  void take();
  void give_back();
  char* data() { return bytes_.get(); }
  explicit operator bool() const { return bytes_ != nullptr; }

 private:
  std::unique_ptr<char[]> bytes_;
};

}  // namespace keyward::netproxy
