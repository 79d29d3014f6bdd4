#include "netproxy/sigv4/chunk_resigner.hpp"

#include <algorithm>
#include <charconv>

namespace keyward::netproxy {
namespace {

using Kind = ChunkStep::Kind;

constexpr std::size_t slice = piece_size;   // of the input, per step
constexpr std::size_t framing_room = 8192;  // a header, or the last chunk and all trailers
constexpr std::string_view line_end = "\r\n";

void append_hex(std::string& text, std::uint64_t number) {
  std::array<char, 16> digits;
  const auto [end, bad] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  text.append(digits.data(), end);
}

}  // namespace

ChunkPipe::ChunkPipe(const AwsChunkedBody& body) {
  out_.reserve(static_cast<std::size_t>(std::min(body.decoded_length, max_kept_chunk)) +
               framing_room);
}

void ChunkPipe::sent() {
  out_.erase(0, ready_);
  gone_ += ready_;
  ready_ = 0;
}

void ChunkPipe::drop() {
  out_.clear();
  ready_ = 0;
}

ChunkResigner::ChunkResigner(const AwsChunkedBody& body, Sides sides)
    : ChunkPipe(body),
      chunks_(body, sides.author),
      key_(std::move(sides.editor.key)),
      chain_(sides.editor.chain),
      signing_(sides.editor.chain.signing),
      promised_(sides.content_length),
      left_in_object_(body.decoded_length) {}

S3Result<std::size_t> ChunkResigner::take(std::string_view bytes) {
  if (failure_) return tl::unexpected(*failure_);
  std::string_view left = bytes;
  while (!left.empty() && ready_ == 0) {
    const auto done = step(left);
    if (done) continue;
    failure_ = done.error();
    drop();
    return tl::unexpected(*failure_);
  }
  return bytes.size() - left.size();
}

S3Result<> ChunkResigner::finish() const {
  if (failure_) return tl::unexpected(*failure_);
  return chunks_.finish();
}

S3Result<> ChunkResigner::step(std::string_view& bytes) {
  std::string_view some = bytes.substr(0, slice);
  const std::size_t offered = some.size();
  TRY_ASSIGN(const ChunkStep step, chunks_.next(some));
  bytes.remove_prefix(offered - some.size());
  TRY(write(step));
  const std::uint64_t written = gone_ + out_.size();
  const bool wrong = step.kind == Kind::end ? written != promised_ : written > promised_;
  if (promised_ && wrong) return promise_broken();
  return {};
}

S3Result<> ChunkResigner::write(const ChunkStep& step) {
  switch (step.kind) {
    case Kind::more:
      break;
    case Kind::chunk:
      chunk_size_ = left_in_chunk_ = step.size;
      begin_piece(next_piece(chunk_size_, left_in_chunk_));
      break;
    case Kind::data:
      return write_data(step.data);
    case Kind::chunk_end:
      TRY(end_piece(chunk_size_ > max_kept_chunk ? piece_.finish() : chunks_.hash()));
      // There are upstreams that take an object for complete once they have its last byte.
      if (left_in_object_ > 0) release();
      break;
    case Kind::last_chunk:
      end_at_ = gone_ + out_.size();
      begin_piece(0);
      return write_signature(chain_.of_chunk(chunks_.hash()));
    case Kind::trailer:
      write_trailer(step);
      break;
    case Kind::trailer_signature:
      out_.append("x-amz-trailer-signature:");
      reserve_signature();
      return write_signature(chain_.of_trailer(chunks_.hash()));
    case Kind::end:
      out_.append(line_end);
      release();
      break;
  }
  return {};
}

// Without the line feed that some servers take for part of the value.  Where the length has been
// promised, the last chunk's size has one more zero instead; its header has not left yet.
void ChunkResigner::write_trailer(const ChunkStep& step) {
  out_.append(step.data).append(line_end);
  if (step.line_feed && promised_) out_.insert(static_cast<std::size_t>(end_at_ - gone_), 1, '0');
}

void ChunkResigner::begin_piece(std::uint64_t size) {
  append_hex(out_, size);
  out_.append(";chunk-signature=");
  reserve_signature();
  left_in_piece_ = size;
}

// The signature stands before the data that it covers.
void ChunkResigner::reserve_signature() {
  signature_at_ = gone_ + out_.size();
  out_.append(signature_width(signing_), '*').append(line_end);
}

S3Result<> ChunkResigner::write_signature(std::string_view string_to_sign) {
  ChunkSignature signature;
  TRY(key_->sign(string_to_sign, signature));
  out_.replace(static_cast<std::size_t>(signature_at_ - gone_), signature.size, signature.text());
  chain_.advance(signature.text());
  return {};
}

S3Result<> ChunkResigner::end_piece(const Digest& hash) {
  TRY(write_signature(chain_.of_chunk(hash)));
  out_.append(line_end);
  return {};
}

S3Result<> ChunkResigner::write_data(std::string_view data) {
  const bool in_pieces = chunk_size_ > max_kept_chunk;
  while (!data.empty()) {
    if (left_in_piece_ == 0) {  // one that is not the chunk's last
      TRY(end_piece(piece_.finish()));
      release();
      begin_piece(next_piece(chunk_size_, left_in_chunk_));
    }
    const std::string_view part = data.substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), left_in_piece_)));
    if (in_pieces) piece_.update(part);
    out_.append(part);
    data.remove_prefix(part.size());
    left_in_piece_ -= part.size();
    left_in_chunk_ -= part.size();
    left_in_object_ -= part.size();
  }
  return {};
}

tl::unexpected<S3Error> ChunkResigner::promise_broken() {
  return s3_fail(S3Code::invalid_chunk_size_error,
                 "the chunks differ in size, and one is larger than 256 KiB: send chunks of one "
                 "size, or no Content-Length");
}

ChunkForwarder::ChunkForwarder(const AwsChunkedBody& body, const std::optional<ChunkAuthor>& author,
                               Form form)
    : ChunkPipe(body), chunks_(body, author), form_(form), left_in_object_(body.decoded_length) {}

S3Result<std::size_t> ChunkForwarder::take(std::string_view bytes) {
  std::string_view left = bytes;
  do {
    const std::string_view some = left.substr(0, slice);
    std::string_view rest = some;
    const auto step = chunks_.next(rest);
    if (!step) {
      drop();
      return tl::unexpected(step.error());
    }
    const std::string_view taken = some.substr(0, some.size() - rest.size());
    left.remove_prefix(taken.size());
    write(*step, taken);
  } while (!left.empty() && ready_ == 0);
  return bytes.size() - left.size();
}

void ChunkForwarder::write(const ChunkStep& step, std::string_view taken) {
  if (form_ == Form::unchanged)
    out_.append(taken);
  else if (step.kind == Kind::data)
    out_.append(step.data);
  switch (step.kind) {
    case Kind::chunk:
      chunk_size_ = step.size;
      break;
    case Kind::data:
      left_in_object_ -= step.data.size();
      if (chunk_size_ > max_kept_chunk && out_.size() > piece_size)
        ready_ = out_.size() - piece_size;
      break;
    case Kind::chunk_end:
      if (left_in_object_ > 0 || form_ == Form::decoded) release();
      if (form_ == Form::decoded && left_in_object_ == 0) --ready_;
      break;
    case Kind::end:
      release();
      break;
    default:
      break;
  }
}

}  // namespace keyward::netproxy
