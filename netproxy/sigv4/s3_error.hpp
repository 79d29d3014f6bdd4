#pragma once
// The errors of S3's REST API, as a client of S3 expects them (S3 API Reference, "Error
// Responses").  Pure.

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace keyward::netproxy {

enum class S3Code {
  access_denied,
  authorization_header_malformed,
  authorization_query_parameters_error,
  bad_digest,
  entity_too_large,
  expired_token,
  incomplete_body,
  internal_error,
  invalid_access_key_id,
  invalid_argument,
  invalid_chunk_size_error,
  invalid_request,
  invalid_token,
  malformed_trailer_error,
  missing_content_length,
  not_implemented,
  request_time_too_skewed,
  service_unavailable,
  signature_does_not_match,
  x_amz_content_sha256_mismatch,
};

std::string_view to_string(S3Code code);        // "SignatureDoesNotMatch", …
int http_status(S3Code code);                   // 400, 403, 411, 500, 501 or 503
std::string_view default_message(S3Code code);  // S3's own words

struct [[nodiscard]] S3Error {
  S3Code code = S3Code::internal_error;
  std::string message;  // for the client; no secret
  // Further elements in this order: {"StringToSign", "…"}, {"BadChunkSize", "…"}, …  The names are
  // ours and valid in XML.
  std::vector<std::pair<std::string, std::string>> details;
};

template <class T = void>
using S3Result = tl::expected<T, S3Error>;

tl::unexpected<S3Error> s3_fail(S3Code code);  // with the default message
tl::unexpected<S3Error> s3_fail(S3Code code, std::string message);

// What S3 adds to each error.
struct S3ErrorPlace {
  std::string resource;    // the path that was asked for
  std::string request_id;  // as in x-amz-request-id
};

// The body of the answer, Content-Type application/xml.  Foreign bytes are escaped; what XML 1.0
// cannot hold, and all that is not ASCII, becomes '?'.
std::string render_xml(const S3Error& error, const S3ErrorPlace& place);

// Of an answer of S3 to a request that we have signed: it refuses the session that the keys belong
// to (it has ended, or is not known), so that other keys may be taken.
bool refuses_session(int status, std::string_view body);

}  // namespace keyward::netproxy
