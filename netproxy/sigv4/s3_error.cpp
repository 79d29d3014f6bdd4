#include "netproxy/sigv4/s3_error.hpp"

#include <array>

namespace keyward::netproxy {
namespace {

struct Entry {
  S3Code code;
  int status;
  std::string_view name, message;
};

constexpr std::array<Entry, 20> entries = {{
    {S3Code::access_denied, 403, "AccessDenied", "Access Denied"},
    {S3Code::authorization_header_malformed, 400, "AuthorizationHeaderMalformed",
     "The authorization header that you provided is not valid."},
    {S3Code::authorization_query_parameters_error, 400, "AuthorizationQueryParametersError",
     "The authorization query parameters that you provided are not valid."},
    {S3Code::bad_digest, 400, "BadDigest",
     "The checksum you specified did not match the calculated checksum."},
    {S3Code::entity_too_large, 400, "EntityTooLarge",
     "Your proposed upload exceeds the maximum allowed size"},
    {S3Code::expired_token, 400, "ExpiredToken", "The provided token has expired."},
    {S3Code::incomplete_body, 400, "IncompleteBody",
     "The request body terminated unexpectedly or is malformed"},
    {S3Code::internal_error, 500, "InternalError",
     "We encountered an internal error. Please try again."},
    {S3Code::invalid_access_key_id, 403, "InvalidAccessKeyId",
     "The AWS Access Key Id you provided does not exist in our records."},
    {S3Code::invalid_argument, 400, "InvalidArgument", "Invalid Argument"},
    {S3Code::invalid_chunk_size_error, 400, "InvalidChunkSizeError",
     "Only the last chunk is allowed to have a size less than 8192 bytes"},
    {S3Code::invalid_request, 400, "InvalidRequest", "Invalid Request"},
    {S3Code::invalid_token, 400, "InvalidToken",
     "The provided token is malformed or otherwise invalid."},
    {S3Code::malformed_trailer_error, 400, "MalformedTrailerError",
     "The request contained trailing data that was not well-formed or did not conform to our "
     "published schema."},
    {S3Code::missing_content_length, 411, "MissingContentLength",
     "You must provide the Content-Length HTTP header."},
    {S3Code::not_implemented, 501, "NotImplemented",
     "A header you provided implies functionality that is not implemented."},
    {S3Code::request_time_too_skewed, 403, "RequestTimeTooSkewed",
     "The difference between the request time and the current time is too large."},
    {S3Code::service_unavailable, 503, "ServiceUnavailable",
     "Service is unable to handle request."},
    {S3Code::signature_does_not_match, 403, "SignatureDoesNotMatch",
     "The request signature we calculated does not match the signature you provided. Check your "
     "key and signing method."},
    {S3Code::x_amz_content_sha256_mismatch, 400, "XAmzContentSHA256Mismatch",
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (static_cast<std::size_t>(entries[i].code) != i) return false;
  return true;
}
static_assert(in_order(), "entries are indexed by S3Code");

const Entry& entry(S3Code code) { return entries.at(static_cast<std::size_t>(code)); }

void append_escaped(std::string& xml, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        xml += "&amp;";
        break;
      case '<':
        xml += "&lt;";
        break;
      case '>':
        xml += "&gt;";
        break;
      case '"':
        xml += "&quot;";
        break;
      case '\'':
        xml += "&apos;";
        break;
      default:
        xml += c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ? c : '?';
    }
  }
}

void append_element(std::string& xml, std::string_view name, std::string_view text) {
  xml.append("<").append(name).append(">");
  append_escaped(xml, text);
  xml.append("</").append(name).append(">");
}

}  // namespace

std::string_view to_string(S3Code code) { return entry(code).name; }
int http_status(S3Code code) { return entry(code).status; }
std::string_view default_message(S3Code code) { return entry(code).message; }

tl::unexpected<S3Error> s3_fail(S3Code code) {
  return s3_fail(code, std::string(default_message(code)));
}

tl::unexpected<S3Error> s3_fail(S3Code code, std::string message) {
  return tl::unexpected(S3Error{code, std::move(message), {}});
}

// The answer is the upstream's: no more than a known word is taken out of it.
bool refuses_session(int status, std::string_view body) {
  constexpr std::array<std::string_view, 3> codes = {"<Code>ExpiredToken</Code>",
                                                     "<Code>InvalidToken</Code>",
                                                     "<Code>TokenRefreshRequired</Code>"};
  if (status != 400 && status != 403) return false;
  return std::any_of(codes.begin(), codes.end(), [body](std::string_view code) {
    return body.find(code) != std::string_view::npos;
  });
}

std::string render_xml(const S3Error& error, const S3ErrorPlace& place) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>";
  append_element(xml, "Code", to_string(error.code));
  append_element(xml, "Message", error.message);
  for (const auto& [name, text] : error.details) append_element(xml, name, text);
  append_element(xml, "Resource", place.resource);
  append_element(xml, "RequestId", place.request_id);
  return xml + "</Error>";
}

}  // namespace keyward::netproxy
