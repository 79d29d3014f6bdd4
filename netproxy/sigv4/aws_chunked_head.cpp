// What a head declares about an aws-chunked body (netproxy/sigv4/aws_chunked.hpp).

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.hpp"
#include "netproxy/sigv4/aws_chunked.hpp"
#include "netproxy/sigv4/checksum.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t max_trailers = 8;
constexpr std::uint64_t max_object = std::uint64_t{5} << 30;  // of one PutObject or UploadPart
constexpr std::string_view checksum_prefix = "x-amz-checksum-";

bool is_checksum_name(std::string_view name) {
  if (name.size() > 64 || !name.starts_with(checksum_prefix)) return false;
  name.remove_prefix(checksum_prefix.size());
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

S3Result<std::uint64_t> decoded_length(const Headers& headers) {
  constexpr std::string_view name = "x-amz-decoded-content-length";
  const std::size_t count = count_headers(headers, name);
  if (count == 0) return s3_fail(S3Code::missing_content_length);
  const std::string& text = *find_header(headers, name);
  std::uint64_t length = 0;
  const char* end = text.data() + text.size();
  const auto [stop, bad] = std::from_chars(text.data(), end, length);
  if (count > 1 || bad != std::errc() || stop != end)
    return s3_fail(S3Code::invalid_argument,
                   "x-amz-decoded-content-length must be one number of bytes");
  if (length > max_object) return s3_fail(S3Code::entity_too_large);
  return length;
}

S3Result<std::vector<std::string>> trailer_names(const Headers& headers) {
  if (count_headers(headers, "x-amz-trailer") != 1)
    return s3_fail(S3Code::invalid_request,
                   "a payload with trailer needs exactly one x-amz-trailer header");
  std::string_view list = *find_header(headers, "x-amz-trailer");
  std::vector<std::string> names;
  for (;;) {
    const auto comma = list.find(',');
    std::string name = lower(trim(list.substr(0, comma)));
    if (!is_checksum_name(name) || names.size() == max_trailers ||
        std::find(names.begin(), names.end(), name) != names.end())
      return s3_fail(S3Code::invalid_request,
                     "x-amz-trailer must name x-amz-checksum-* trailers, each once");
    names.push_back(std::move(name));
    if (comma == std::string_view::npos) return names;
    list.remove_prefix(comma + 1);
  }
}

// One checksum is declared once, and under one name.
S3Result<> check_agreement(const Headers& headers, const std::vector<std::string>& trailers) {
  for (const Header& header : headers)
    if (Checksum::of_header(lower(header.name)))
      return s3_fail(S3Code::invalid_request,
                     "a checksum is declared both as a header and as a trailer");
  const std::string* algorithm = find_header(headers, "x-amz-sdk-checksum-algorithm");
  if (algorithm == nullptr) return {};
  const std::string wanted = std::string(checksum_prefix) + lower(*algorithm);
  if (std::find(trailers.begin(), trailers.end(), wanted) != trailers.end()) return {};
  return s3_fail(S3Code::invalid_request,
                 "x-amz-sdk-checksum-algorithm and x-amz-trailer name different checksums");
}

constexpr std::array<std::pair<std::string_view, AwsChunkedForm>, 5> forms = {
    {{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", {ChunkSigning::none, true}},
     {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", {ChunkSigning::hmac, false}},
     {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", {ChunkSigning::hmac, true}},
     {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", {ChunkSigning::ecdsa, false}},
     {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", {ChunkSigning::ecdsa, true}}}};

}  // namespace

std::optional<AwsChunkedForm> aws_chunked_form(std::string_view content_sha256) {
  for (const auto& [value, form] : forms)
    if (value == content_sha256) return form;
  return std::nullopt;
}

std::string_view content_sha256_of(AwsChunkedForm form) {
  for (const auto& [value, known] : forms)
    if (known == form) return value;
  return {};
}

S3Result<AwsChunkedBody> read_aws_chunked_body(const Headers& headers, AwsChunkedForm form) {
  AwsChunkedBody body;
  body.form = form;
  TRY_ASSIGN(body.decoded_length, decoded_length(headers));
  if (form.trailer) {
    TRY_ASSIGN(body.trailers, trailer_names(headers));
    TRY(check_agreement(headers, body.trailers));
  } else if (count_headers(headers, "x-amz-trailer") != 0) {
    return s3_fail(S3Code::invalid_request,
                   "x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER");
  }
  return body;
}

}  // namespace keyward::netproxy
