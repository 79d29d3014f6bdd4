#include "netproxy/http/chunked.hpp"

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"
#include "netproxy/http/head_parser.hpp"

namespace keyward::netproxy {
namespace {

// RFC 9110 section 6.5.1: these mean something before the content only.
constexpr std::string_view forbidden_trailers[] = {"content-length", "transfer-encoding",
                                                   "host",           "connection",
                                                   "authorization",  "content-encoding",
                                                   "content-type",   "content-range",
                                                   "trailer",        "te",
                                                   "upgrade",        "expect",
                                                   "cookie",         "set-cookie"};

Result<std::uint64_t> parse_size_line(std::string_view line) {
  std::uint64_t size = 0;
  const char* const end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data(), end, size, 16);
  if (error != std::errc() || rest - line.data() > 15)
    return fail(Code::invalid, "http: malformed chunk size");
  const std::string_view extension(rest, static_cast<std::size_t>(end - rest));
  if (!extension.empty() && extension[0] != ';')
    return fail(Code::invalid, "http: malformed chunk size");
  const bool printable =
      std::all_of(extension.begin(), extension.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!printable) return fail(Code::invalid, "http: control byte in a chunk extension");
  return size;
}

Result<> check_trailer(std::string_view line) {
  TRY_ASSIGN(const Header header, parse_field_line(line));
  for (const std::string_view name : forbidden_trailers)
    if (equals_ignoring_case(header.name, name))
      return fail(Code::invalid, "http: a trailer that may only stand in the head");
  return {};
}

}  // namespace

// Collects one line across calls; `line_` then holds it without its CRLF.
Result<std::size_t> ChunkedReader::take_line(std::string_view input, std::size_t limit,
                                             bool& complete) {
  const std::size_t newline = input.find('\n');
  complete = newline != std::string_view::npos;
  const std::size_t taken = complete ? newline + 1 : input.size();
  if (line_.size() + taken > limit) return fail(Code::invalid, "http: chunk framing is too long");
  line_.append(input.substr(0, taken));
  if (!complete) return taken;
  if (!line_.ends_with("\r\n")) return fail(Code::invalid, "http: chunk framing with a bare LF");
  line_.resize(line_.size() - 2);
  return taken;
}

Result<ChunkedReader::Step> ChunkedReader::read_size(std::string_view input) {
  bool complete = false;
  TRY_ASSIGN(const std::size_t taken, take_line(input, max_line_bytes, complete));
  if (!complete) return Step{taken, {}};
  TRY_ASSIGN(remaining_, parse_size_line(line_));
  line_.clear();
  state_ = remaining_ == 0 ? State::trailers : State::data;
  return Step{taken, {}};
}

Result<ChunkedReader::Step> ChunkedReader::read_data_end(std::string_view input) {
  bool complete = false;
  TRY_ASSIGN(const std::size_t taken, take_line(input, 2, complete));
  if (complete) {
    if (!line_.empty()) return fail(Code::invalid, "http: a chunk is longer than its size");
    state_ = State::size;
  }
  return Step{taken, {}};
}

Result<ChunkedReader::Step> ChunkedReader::read_trailers(std::string_view input) {
  bool complete = false;
  TRY_ASSIGN(const std::size_t taken,
             take_line(input, max_trailer_bytes - trailer_bytes_, complete));
  if (!complete) return Step{taken, {}};
  if (line_.empty()) {
    state_ = State::done;
    return Step{taken, {}};
  }
  if (!trailers_allowed_)
    return fail(Code::invalid,
                "http: a trailer where none may be: the request gets a field from elsewhere");
  TRY(check_trailer(line_));
  trailer_bytes_ += line_.size();
  line_.clear();
  return Step{taken, {}};
}

Result<ChunkedReader::Step> ChunkedReader::next(std::string_view input) {
  if (input.empty()) return Step{};
  switch (state_) {
    case State::size:
      return read_size(input);
    case State::data: {
      const std::string_view data =
          input.substr(0, std::min<std::uint64_t>(remaining_, input.size()));
      remaining_ -= data.size();
      if (remaining_ == 0) state_ = State::data_end;
      return Step{data.size(), data};
    }
    case State::data_end:
      return read_data_end(input);
    case State::trailers:
      return read_trailers(input);
    case State::done:
      break;
  }
  return Step{};
}

}  // namespace keyward::netproxy
