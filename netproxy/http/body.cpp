#include "netproxy/http/body.hpp"

namespace keyward::netproxy {

BodyReader::BodyReader(Framing framing, std::uint64_t length)
    : framing_(framing), state_(State::content), left_(length) {
  if (framing == Framing::none || (framing == Framing::length && length == 0))
    state_ = State::finished;
  if (framing == Framing::chunked) state_ = State::size;
}

Result<BodyReader::State> BodyReader::count_framing(State next) {
  if (++framing_bytes_ > max_framing)
    return fail(Code::invalid, "http: chunk extensions or trailers are too long");
  return next;
}

Result<BodyReader::State> BodyReader::size_digit(char c) {
  const int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
  if (value < 0 && digits_ == 0) return fail(Code::invalid, "http: a chunk has no size");
  if (value < 0) {
    if (c == '\r') return State::size_cr;
    if (c == ';') return count_framing(State::extension);
    return fail(Code::invalid, "http: malformed chunk size");
  }
  left_ = left_ * 16 + static_cast<std::uint64_t>(value);
  if (++digits_ > 16 || left_ > max_chunk)
    return fail(Code::invalid, "http: chunk size out of range");
  return State::size;
}

Result<BodyReader::State> BodyReader::step(char c) {
  const auto expect = [&](char wanted, State next) -> Result<State> {
    if (c != wanted) return fail(Code::invalid, "http: malformed chunk framing");
    return next;
  };
  switch (state_) {
    case State::size:
      return size_digit(c);
    case State::extension:
      if (c == '\n') return fail(Code::invalid, "http: bare LF in a chunk extension");
      return count_framing(c == '\r' ? State::size_cr : State::extension);
    case State::size_cr:
      digits_ = 0;
      return expect('\n', left_ == 0 ? State::trailer_start : State::content);
    case State::after_chunk:
      return expect('\r', State::after_chunk_lf);
    case State::after_chunk_lf:
      return expect('\n', State::size);
    case State::trailer_start:
      if (c == '\n' || c == ' ' || c == '\t') return fail(Code::invalid, "http: malformed trailer");
      return count_framing(c == '\r' ? State::end_lf : State::trailer);
    case State::trailer:
      if (c == '\n' || c == '\0') return fail(Code::invalid, "http: malformed trailer");
      return count_framing(c == '\r' ? State::trailer_lf : State::trailer);
    case State::trailer_lf:
      return expect('\n', State::trailer_start);
    case State::end_lf:
      return expect('\n', State::finished);
    case State::content:
    case State::finished:
      break;
  }
  return fail(Code::internal, "http: body state");
}

}  // namespace keyward::netproxy
