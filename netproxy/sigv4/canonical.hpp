#pragma once
// SigV4 step 1: the canonical request (AWS General Reference, "Create a canonical request").  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

// How the path that is on the wire becomes the signed one.
struct PathStyle {
  bool normalize = true;     // dot segments and empty segments are removed
  bool encode_again = true;  // the encoded path is percent-encoded once more
};
constexpr PathStyle s3_path_style{false, false};
constexpr PathStyle general_path_style{true, true};
PathStyle path_style_of(std::string_view service);

// A target as it is sent and as it is signed: the signed form is what the server derives from the
// sent one.
struct CanonicalTarget {
  std::string sent;   // path (S3 rules: re-encoded canonically) and query (re-encoded)
  std::string path;   // canonical URI
  std::string query;  // canonical query string: sorted, `=` always there
};
Result<CanonicalTarget> canonical_target(std::string_view target, PathStyle style);

struct CanonicalRequest {
  std::string text, signed_headers;
};
// `headers` are those to sign; names are lowered, values folded, repeated names joined in order of
// arrival.
CanonicalRequest canonical_request(std::string_view method, const CanonicalTarget& target,
                                   const Headers& headers, std::string_view payload_hash);
// Of a request that is about to be sent: host, content-type, content-md5, range, every x-amz-* and
// whatever else no intermediary changes.
CanonicalRequest canonical_request_of(const RequestHead& head, const CanonicalTarget& target,
                                      std::string_view payload_hash);

}  // namespace keyward::netproxy
