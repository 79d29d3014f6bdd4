#pragma once
// Where a message body ends, found in passing: the bytes are forwarded as they came, the framing is
// checked on the way.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

// The framing of one body.  Feed it what arrives; it says how many of these bytes belong to the
// body.
class BodyReader {
 public:
  BodyReader(Framing framing, std::uint64_t length);

  // Consumes a prefix of `bytes`: the number of bytes that are part of the body's framing.
  // `content` is called for each run of content bytes among them (what a hash or a checker wants to
  // see).  Malformed framing is an error.
  template <class Content>
  Result<std::size_t> consume(std::string_view bytes, Content content);

  bool finished() const { return state_ == State::finished; }
  bool ends_with_connection() const { return framing_ == Framing::until_close; }

 private:
  enum class State {
    content,
    size,
    size_cr,
    extension,
    after_chunk,
    after_chunk_lf,
    trailer_start,
    trailer,
    trailer_lf,
    end_lf,
    finished
  };
  Result<State> step(char c);  // one byte of chunk framing (RFC 9112 section 7.1)
  Result<State> size_digit(char c);
  Result<State> count_framing(State next);  // bounds extensions and trailers

  static constexpr std::uint64_t max_chunk = std::uint64_t{1} << 40;
  static constexpr std::size_t max_framing = 16384;  // bytes of extensions and trailers

  Framing framing_;
  State state_;
  std::uint64_t left_ = 0;  // of the content or of the current chunk
  int digits_ = 0;
  std::size_t framing_bytes_ = 0;
};

template <class Content>
Result<std::size_t> BodyReader::consume(std::string_view bytes, Content content) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ != State::finished) {
    if (framing_ == Framing::until_close) {
      content(bytes.substr(at));
      return bytes.size();
    }
    if (state_ != State::content) {
      TRY_ASSIGN(state_, step(bytes[at]));
      ++at;
      continue;
    }
    const std::size_t run =
        static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
    content(bytes.substr(at, run));
    at += run;
    left_ -= run;
    if (left_ == 0) state_ = framing_ == Framing::chunked ? State::after_chunk : State::finished;
  }
  return at;
}

}  // namespace keyward::netproxy
