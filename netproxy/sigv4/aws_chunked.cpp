#include "netproxy/sigv4/aws_chunked.hpp"

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t max_size_digits = 16;
constexpr std::size_t max_line = 512;  // of a trailer: a name and the base64 of a hash
constexpr std::size_t max_trailers = 8;
constexpr std::string_view checksum_prefix = "x-amz-checksum-";

tl::unexpected<Error> broken(std::string_view what) {
  return fail(Code::invalid, "aws-chunked body: " + std::string(what));
}

Result<std::string_view> only_header(const Headers& headers, std::string_view name) {
  if (count_headers(headers, name) != 1)
    return fail(Code::invalid, "STREAMING-UNSIGNED-PAYLOAD-TRAILER needs exactly one " +
                                   std::string(name) + " header");
  return std::string_view(*find_header(headers, name));
}

bool is_checksum_name(std::string_view name) {
  if (name.size() > 64 || !name.starts_with(checksum_prefix)) return false;
  name.remove_prefix(checksum_prefix.size());
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

Result<std::vector<std::string>> trailer_names(std::string_view list) {
  std::vector<std::string> names;
  for (;;) {
    const auto comma = list.find(',');
    std::string name = lower(trim(list.substr(0, comma)));
    if (!is_checksum_name(name) || names.size() == max_trailers ||
        std::find(names.begin(), names.end(), name) != names.end())
      return fail(Code::invalid, "x-amz-trailer must name x-amz-checksum-* trailers, each once");
    names.push_back(std::move(name));
    if (comma == std::string_view::npos) return names;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<AwsChunkedPlan> read_aws_chunked_plan(const Headers& headers) {
  AwsChunkedPlan plan;
  TRY_ASSIGN(const std::string_view length, only_header(headers, "x-amz-decoded-content-length"));
  const char* end = length.data() + length.size();
  const auto [stop, bad] = std::from_chars(length.data(), end, plan.decoded_length);
  if (bad != std::errc() || stop != end)
    return fail(Code::invalid, "x-amz-decoded-content-length must be a number of bytes");
  TRY_ASSIGN(const std::string_view names, only_header(headers, "x-amz-trailer"));
  TRY_ASSIGN(plan.trailers, trailer_names(names));
  return plan;
}

AwsChunkedCheck::AwsChunkedCheck(AwsChunkedPlan plan) : left_in_object_(plan.decoded_length) {
  line_.reserve(max_line);
  for (std::string& name : plan.trailers) {
    auto checksum = Checksum::of_header(name);
    trailers_.push_back({std::move(name), std::move(checksum)});
  }
}

Result<> AwsChunkedCheck::update(std::string_view bytes) {
  while (failure_ && !bytes.empty()) failure_ = step(bytes);
  return failure_;
}

Result<> AwsChunkedCheck::finish() const {
  if (!failure_ || state_ == State::done) return failure_;
  return broken("it ended before its last chunk and trailer");
}

Result<> AwsChunkedCheck::step(std::string_view& bytes) {
  if (state_ == State::done) return broken("bytes follow its end");
  if (state_ != State::data) {
    TRY_ASSIGN(const bool complete, take_line(bytes));
    if (!complete) return {};
    TRY(read_line());
    line_.clear();
    return {};
  }
  const std::string_view data = bytes.substr(
      0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_in_chunk_)));
  for (Trailer& trailer : trailers_)
    if (trailer.checksum) trailer.checksum->update(data);
  bytes.remove_prefix(data.size());
  left_in_chunk_ -= data.size();
  if (left_in_chunk_ == 0) state_ = State::data_end;
  return {};
}

// Moves bytes into line_ up to CRLF; false: the line goes on in the next bytes.
Result<bool> AwsChunkedCheck::take_line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  const std::string_view piece = bytes.substr(0, end);
  if (line_.size() + piece.size() > max_line) return broken("a framing line is too long");
  line_.append(piece);
  if (end == std::string_view::npos) {
    bytes = {};
    return false;
  }
  bytes.remove_prefix(end + 1);
  if (line_.empty() || line_.back() != '\r') return broken("a line does not end with CR LF");
  line_.pop_back();
  return true;
}

Result<> AwsChunkedCheck::read_line() {
  if (state_ == State::size) return read_size();
  if (state_ == State::trailers) return read_trailer();
  if (!line_.empty()) return broken("a chunk is longer than its size");
  state_ = State::size;
  return {};
}

Result<> AwsChunkedCheck::read_size() {
  const char* end = line_.data() + line_.size();
  const auto [stop, bad] = std::from_chars(line_.data(), end, left_in_chunk_, 16);
  if (line_.size() > max_size_digits || bad != std::errc() || stop != end)
    return broken("a chunk's size must be 1 to 16 hex digits and nothing else");
  if (left_in_chunk_ > left_in_object_ || (left_in_chunk_ == 0 && left_in_object_ > 0))
    return broken("its length is not x-amz-decoded-content-length");
  left_in_object_ -= left_in_chunk_;
  state_ = left_in_chunk_ == 0 ? State::trailers : State::data;
  return {};
}

Result<> AwsChunkedCheck::read_trailer() {
  if (line_.empty()) {
    for (const Trailer& trailer : trailers_)
      if (!trailer.seen) return broken("the trailer " + trailer.name + " is missing");
    state_ = State::done;
    return {};
  }
  const bool printable = std::all_of(line_.begin(), line_.end(),
                                     [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); });
  if (!printable) return broken("a trailer holds control or non-ASCII bytes");
  const auto colon = line_.find(':');
  const std::string name = lower(std::string_view(line_).substr(0, colon));
  const auto found = std::find_if(trailers_.begin(), trailers_.end(),
                                  [&](const Trailer& trailer) { return trailer.name == name; });
  if (colon == std::string::npos || found == trailers_.end() || found->seen)
    return broken("a trailer that x-amz-trailer does not declare, or a repeated one");
  found->seen = true;
  const std::string_view value = trim(std::string_view(line_).substr(colon + 1));
  auto& checksum = found->checksum;
  if (checksum && checksum->finish() != value)
    return broken(name + " is not the checksum of the body");
  return {};
}

}  // namespace keyward::netproxy
