#pragma once
// How much of a list one answer holds.

#include <cstddef>

namespace keyward::gateway {

// About 3 MiB, below the 4 MiB that gRPC's clients take by default.  Lists are pages anyway: a
// client asks on from the offset that it has reached.  The first entry always fits.
class AnswerSpace {
 public:
  template <class Message>
  bool takes(const Message& entry) {
    const bool first = bytes_ == 0;
    bytes_ += entry.ByteSizeLong();
    return first || bytes_ <= limit;
  }

 private:
  static constexpr std::size_t limit = std::size_t{3} << 20;
  std::size_t bytes_ = 0;
};

}  // namespace keyward::gateway
