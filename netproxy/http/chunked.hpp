#pragma once
// The chunked transfer coding (RFC 9112 section 7.1), checked while its bytes pass.  Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::netproxy {

// Bytes may arrive in any split.  After an error the reader is unusable.
class ChunkedReader {
 public:
  struct Step {
    std::size_t consumed = 0;  // bytes of the input that belong to the body
    std::string_view data;     // the part of them that is content; empty for framing
  };
  // Looks at a prefix of `input`: at most one stretch of content per call.  Consumes everything
  // unless the body ends inside.  Errors: Code::invalid.
  Result<Step> next(std::string_view input);
  bool done() const { return state_ == State::done; }
  // From now on any trailer is an error: a server may take it for a field of the head.
  void forbid_trailers() { trailers_allowed_ = false; }

  static constexpr std::size_t max_line_bytes = 1024;     // a chunk's size and extensions
  static constexpr std::size_t max_trailer_bytes = 8192;  // all trailer lines together

 private:
  enum class State { size, data, data_end, trailers, done };
  Result<std::size_t> take_line(std::string_view input, std::size_t limit, bool& complete);
  Result<Step> read_size(std::string_view input);
  Result<Step> read_data_end(std::string_view input);
  Result<Step> read_trailers(std::string_view input);

  State state_ = State::size;
  std::string line_;  // the framing line under way
  std::uint64_t remaining_ = 0;
  std::size_t trailer_bytes_ = 0;
  bool trailers_allowed_ = true;
};

}  // namespace keyward::netproxy
