#include "netproxy/sigv4/aws_chunked.hpp"

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

using Kind = ChunkStep::Kind;

constexpr std::size_t max_size_digits = 16;
constexpr std::string_view extension = ";chunk-signature=";
constexpr std::string_view trailer_signature_name = "x-amz-trailer-signature";
// Of every chunk but the last, as S3 demands it.
constexpr std::uint64_t min_signed_chunk = 8192;

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); });
}

}  // namespace

tl::unexpected<S3Error> AwsChunkedDecoder::broken(std::string_view what) const {
  const bool in_trailer = state_ == State::trailers || (state_ == State::closing && form_.trailer);
  return s3_fail(in_trailer ? S3Code::malformed_trailer_error : S3Code::incomplete_body,
                 "aws-chunked body: " + std::string(what));
}

std::size_t AwsChunkedDecoder::max_line() const {
  switch (state_) {
    case State::header:
      if (form_.signing == ChunkSigning::none) return max_size_digits;
      return max_size_digits + extension.size() + signature_width(form_.signing);
    case State::trailers:
      return max_trailer_line - 2;
    default:
      return 0;
  }
}

S3Result<ChunkStep> AwsChunkedDecoder::next(std::string_view& bytes) {
  if (state_ == State::data) {
    ChunkStep step{Kind::data, 0, 0, {}};
    step.data = bytes.substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_in_chunk_)));
    bytes.remove_prefix(step.data.size());
    left_in_chunk_ -= step.data.size();
    if (left_in_chunk_ == 0) state_ = State::data_end;
    return step;
  }
  if (state_ == State::done && !bytes.empty()) return broken("bytes follow its end");
  TRY_ASSIGN(const bool complete, take_line(bytes));
  if (!complete) return ChunkStep{};
  auto step = read_line();
  line_size_ = 0;
  return step;
}

// Moves bytes into line_ up to CR LF; false: the line goes on in the next bytes.  A trailer's may
// hold a line feed.
S3Result<bool> AwsChunkedDecoder::take_line(std::string_view& bytes) {
  while (!bytes.empty()) {
    const auto end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view piece = bytes.substr(0, end + 1);
    bytes.remove_prefix(piece.size());
    if (line_size_ + piece.size() > max_line() + 2)
      return broken(state_ == State::data_end ? "a chunk is longer than its size"
                                              : "a framing line is too long");
    std::copy(piece.begin(), piece.end(), line_.begin() + line_size_);
    line_size_ += piece.size();
    if (line().ends_with("\r\n")) {
      line_size_ -= 2;
      return true;
    }
    if (line().ends_with('\n') && state_ != State::trailers)
      return broken("a line does not end with CR LF");
  }
  return false;
}

S3Result<ChunkStep> AwsChunkedDecoder::read_line() {
  if (state_ == State::header) return read_header();
  if (state_ == State::trailers) return read_trailer();
  if (line_size_ > 0)
    return broken(state_ == State::data_end ? "a chunk is longer than its size"
                                            : "the closing line is not empty");
  if (state_ == State::data_end) {
    state_ = State::header;
    return ChunkStep{Kind::chunk_end, chunk_size_, 0, {}};
  }
  state_ = State::done;
  return ChunkStep{Kind::end, 0, 0, {}};
}

S3Result<ChunkStep> AwsChunkedDecoder::read_header() {
  const std::string_view text = line();
  const std::string_view digits = text.substr(0, text.find(';'));
  if (!is_hex(digits) || digits.size() > max_size_digits)
    return broken("a chunk's size must be 1 to 16 hex digits");
  std::uint64_t size = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  std::string_view rest = text.substr(digits.size());
  if (form_.signing == ChunkSigning::none) {
    if (!rest.empty()) return broken("a chunk's size is followed by something");
  } else {
    if (!rest.starts_with(extension)) return broken("a chunk has no chunk-signature");
    TRY(read_signature(rest.substr(extension.size())));
  }
  TRY(check_size(size));
  left_in_object_ -= size;
  left_in_chunk_ = chunk_size_ = size;
  ++chunk_number_;
  if (size > 0) {
    state_ = State::data;
    return ChunkStep{Kind::chunk, size, 0, {}};
  }
  state_ = form_.trailer ? State::trailers : State::closing;
  return ChunkStep{Kind::last_chunk, 0, 0, {}};
}

S3Result<> AwsChunkedDecoder::check_size(std::uint64_t size) {
  if (size > left_in_object_ || (size == 0 && left_in_object_ > 0))
    return broken("its length is not x-amz-decoded-content-length");
  const bool too_small = chunk_number_ > 0 && size > 0 && chunk_size_ < min_signed_chunk;
  if (form_.signing == ChunkSigning::none || !too_small) return {};
  auto error = s3_fail(S3Code::invalid_chunk_size_error);
  error.value().details = {{"Chunk", std::to_string(chunk_number_)},
                           {"BadChunkSize", std::to_string(chunk_size_)}};
  return error;
}

// Exactly as wide as the form says; ECDSA's is padded on the right.
S3Result<> AwsChunkedDecoder::read_signature(std::string_view text) {
  if (text.size() != signature_width(form_.signing)) return broken("a signature of a wrong length");
  const std::string_view padding = text.substr(std::min(text.find('*'), text.size()));
  text.remove_suffix(padding.size());
  if (padding.find_first_not_of('*') != std::string_view::npos ||
      (!padding.empty() && form_.signing != ChunkSigning::ecdsa))
    return broken("a signature that is not hex");
  if (!is_hex(text)) return broken("a signature that is not hex");
  std::copy(text.begin(), text.end(), signature_.begin());
  signature_size_ = text.size();
  return {};
}

S3Result<ChunkStep> AwsChunkedDecoder::read_trailer() {
  std::string_view text = line();
  const bool is_signed = form_.signing != ChunkSigning::none;
  if (text.empty()) {
    if (is_signed) return broken("x-amz-trailer-signature is missing");
    state_ = State::done;
    return ChunkStep{Kind::end, 0, 0, {}};
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return broken("a trailer without a colon");
  const bool is_checksum = !equals_ignoring_case(text.substr(0, colon), trailer_signature_name);
  const bool line_feed = is_checksum && text.ends_with('\n');
  if (line_feed) text.remove_suffix(1);
  if (!is_printable(text)) return broken("a trailer holds control or non-ASCII bytes");
  if (is_checksum) return ChunkStep{Kind::trailer, 0, colon, text, line_feed};
  if (!is_signed) return broken("a trailer signature in the unsigned form");
  TRY(read_signature(trim(text.substr(colon + 1))));
  state_ = State::closing;
  return ChunkStep{Kind::trailer_signature, 0, colon, text};
}

}  // namespace keyward::netproxy
