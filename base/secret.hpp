#pragma once
// Secret: bytes that must not be printed, logged, copied by accident, compared in variable time or
// left in memory.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keyward {

void wipe(void* data, std::size_t size) noexcept;  // not removed by the optimizer

// Wipes what it frees.  A std::string would keep short secrets inside the object, where no
// allocator sees them.
template <class T>
struct ZeroizingAllocator {
  using value_type = T;
  ZeroizingAllocator() = default;
  template <class U>
  explicit ZeroizingAllocator(const ZeroizingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept {
    wipe(p, n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const ZeroizingAllocator&, const ZeroizingAllocator&) { return true; }
};

// Move-only.  `reveal()` is the only way out, so that `grep reveal` lists every use.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  // Takes the bytes over and wipes the string that held them.
  static Secret take(std::string& source);

  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&&) noexcept = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() = default;

  Secret clone() const { return Secret(reveal()); }
  void append(std::string_view bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool equals(std::string_view other) const;  // constant time for equal lengths

  // First 16 hex digits of SHA-256, the form in which a secret may be shown:
  // "sha256:0123456789abcdef".
  std::string fingerprint() const;

 private:
  std::vector<char, ZeroizingAllocator<char>> bytes_;
};

template <class Stream>
Stream& operator<<(Stream&, const Secret&) = delete;

}  // namespace keyward
