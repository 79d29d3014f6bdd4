#include "netproxy/sigv4/claim.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/bytes.hpp"
#include "netproxy/sigv4/query.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t longest_name = 64;       // of a region or service
constexpr std::size_t longest_identity = 256;  // an access key id
constexpr std::size_t longest_ecdsa = 144;     // hex digits
constexpr std::array<std::string_view, 10> once_only = {
    "authorization",        "host",
    "x-amz-date",           "x-amz-content-sha256",
    "x-amz-security-token", "content-type",
    "content-length",       "x-amz-decoded-content-length",
    "x-amz-trailer",        "x-amz-region-set"};

// As AWS spells them; the first six must be there.
constexpr std::array<std::string_view, 10> query_names = {
    "X-Amz-Algorithm",      "X-Amz-Credential",     "X-Amz-Date",           "X-Amz-Expires",
    "X-Amz-SignedHeaders",  "X-Amz-Signature",      "X-Amz-Security-Token", "X-Amz-Region-Set",
    "X-Amz-Content-Sha256", "X-Amz-S3session-Token"};
constexpr std::size_t required_query_names = 6;

bool is_signing_name(std::string_view text) {
  return !text.empty() && text.size() <= longest_name &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

bool is_identity(std::string_view text) {
  return !text.empty() && text.size() <= longest_identity &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_signature(std::string_view text, SigningAlgorithm algorithm) {
  if (!is_lower_hex(text) || text.size() % 2 != 0) return false;
  if (algorithm == SigningAlgorithm::hmac) return text.size() == 64;
  return text.size() >= 16 && text.size() <= longest_ecdsa;
}

std::optional<SigningAlgorithm> algorithm_of(std::string_view name) {
  for (const SigningAlgorithm algorithm : {SigningAlgorithm::hmac, SigningAlgorithm::ecdsa})
    if (name == to_string(algorithm)) return algorithm;
  return std::nullopt;
}

// The part after the last slash, which is removed with its slash; empty where there is none.
std::string_view take_last_part(std::string_view& text) {
  const auto slash = text.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view part = text.substr(slash + 1);
  text = text.substr(0, slash);
  return part;
}

// "a;b;c" of lower-case names, sorted, each once.
std::optional<std::vector<std::string>> read_names(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
  std::vector<std::string> names;
  for (;;) {
    const auto end = text.find(';');
    const std::string_view name = text.substr(0, end);
    const bool is_token = std::all_of(name.begin(), name.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             others.find(c) != std::string_view::npos;
    });
    if (name.empty() || !is_token || (!names.empty() && name <= names.back())) return std::nullopt;
    names.emplace_back(name);
    if (end == std::string_view::npos) return names;
    text.remove_prefix(end + 1);
  }
}

S3Code malformed_code(bool presigned) {
  return presigned ? S3Code::authorization_query_parameters_error
                   : S3Code::authorization_header_malformed;
}

S3Result<> read_scope(const ClaimFields& fields, SignatureClaim& claim) {
  const S3Code malformed = malformed_code(fields.presigned);
  auto credential = read_credential(fields.credential, fields.algorithm);
  if (!credential)
    return s3_fail(malformed, fields.algorithm == SigningAlgorithm::hmac
                                  ? "the Credential is malformed; expecting "
                                    "\"<KEY-ID>/YYYYMMDD/REGION/SERVICE/aws4_request\""
                                  : "the Credential is malformed; expecting "
                                    "\"<KEY-ID>/YYYYMMDD/SERVICE/aws4_request\"");
  claim.access_key_id = std::move(credential->access_key_id);
  claim.scope = std::move(credential->scope);
  const auto signed_at = parse_amz_date(fields.date);
  if (!signed_at) return s3_fail(malformed, "the date is not of the form YYYYMMDDTHHMMSSZ");
  claim.signed_at = *signed_at;
  claim.amz_date = fields.date;
  if (!fields.date.starts_with(claim.scope.date))
    return s3_fail(malformed, "the Credential's date is not that of X-Amz-Date");
  return {};
}

S3Result<SignatureClaim> read_fields(const ClaimFields& fields) {
  const S3Code malformed = malformed_code(fields.presigned);
  SignatureClaim claim;
  claim.presigned = fields.presigned;
  TRY(read_scope(fields, claim));
  auto names = read_names(fields.signed_headers);
  if (!names)
    return s3_fail(malformed,
                   "SignedHeaders must be lower-case names, sorted, each once, joined by ;");
  claim.signed_headers = std::move(*names);
  if (!is_signature(fields.signature, fields.algorithm))
    return s3_fail(malformed, "the Signature is not of the algorithm's form");
  claim.signature = fields.signature;
  claim.region_set = fields.region_set;
  return claim;
}

// "Credential=…, SignedHeaders=…, Signature=…": commas with or without a blank, as some clients
// send none.
S3Result<std::map<std::string, std::string>> read_parameters(std::string_view text) {
  constexpr S3Code malformed = S3Code::authorization_header_malformed;
  std::map<std::string, std::string> found;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos)
      return s3_fail(malformed, "Authorization: a parameter is malformed");
    if (!found.emplace(part.substr(0, equals), part.substr(equals + 1)).second)
      return s3_fail(malformed, "Authorization: a parameter is repeated");
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  if (found.size() != 3 || !found.contains("Credential") || !found.contains("SignedHeaders") ||
      !found.contains("Signature"))
    return s3_fail(malformed,
                   "Authorization needs Credential, SignedHeaders and Signature, and no more");
  return found;
}

S3Result<ClaimFields> read_header_fields(const Headers& headers) {
  const std::string_view value = *find_header(headers, "authorization");
  const auto blank = std::min(value.find(' '), value.size());
  const auto algorithm = algorithm_of(value.substr(0, blank));
  if (!algorithm)
    return s3_fail(S3Code::invalid_argument,
                   "unsupported Authorization type: AWS4-HMAC-SHA256 or AWS4-ECDSA-P256-SHA256");
  TRY_ASSIGN(auto found, read_parameters(value.substr(blank)));
  ClaimFields fields;
  fields.algorithm = *algorithm;
  fields.credential = std::move(found["Credential"]);
  fields.signed_headers = std::move(found["SignedHeaders"]);
  fields.signature = std::move(found["Signature"]);
  if (const auto* date = find_header(headers, "x-amz-date")) fields.date = *date;
  if (const auto* set = find_header(headers, "x-amz-region-set")) fields.region_set = *set;
  return fields;
}

S3Result<std::chrono::seconds> read_expires(std::string_view text) {
  constexpr S3Code malformed = S3Code::authorization_query_parameters_error;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-')
    return s3_fail(malformed, "X-Amz-Expires should be a number");
  if (seconds < 1) return s3_fail(malformed, "X-Amz-Expires must be at least one second");
  if (seconds > longest_expiry.count())
    return s3_fail(malformed, "X-Amz-Expires must be at most a week, 604800 seconds");
  return std::chrono::seconds(seconds);
}

S3Result<std::map<std::string, std::string>> authentication_items(
    const std::vector<QueryItem>& items) {
  constexpr S3Code malformed = S3Code::authorization_query_parameters_error;
  std::map<std::string, std::string> found;
  for (const QueryItem& item : items) {
    if (!is_query_authentication(item.name)) continue;
    // One spelling, so that no item is read here and overlooked elsewhere.
    if (std::find(query_names.begin(), query_names.end(), item.name) == query_names.end())
      return s3_fail(malformed, "an X-Amz-* item is not spelled as AWS spells it");
    if (!found.emplace(item.name, item.value).second)
      return s3_fail(malformed, "an X-Amz-* item is repeated");
  }
  for (std::size_t i = 0; i < required_query_names; ++i)
    if (!found.contains(std::string(query_names[i])))
      return s3_fail(malformed, "query authentication needs " + std::string(query_names[i]));
  return found;
}

S3Result<ClaimFields> read_query_fields(const std::vector<QueryItem>& items) {
  TRY_ASSIGN(auto found, authentication_items(items));
  const auto algorithm = algorithm_of(found["X-Amz-Algorithm"]);
  if (!algorithm)
    return s3_fail(S3Code::authorization_query_parameters_error,
                   "X-Amz-Algorithm must be AWS4-HMAC-SHA256 or AWS4-ECDSA-P256-SHA256");
  ClaimFields fields;
  fields.presigned = true;
  fields.algorithm = *algorithm;
  fields.credential = std::move(found["X-Amz-Credential"]);
  fields.date = std::move(found["X-Amz-Date"]);
  fields.signed_headers = std::move(found["X-Amz-SignedHeaders"]);
  fields.signature = std::move(found["X-Amz-Signature"]);
  fields.expires = std::move(found["X-Amz-Expires"]);
  fields.region_set = std::move(found["X-Amz-Region-Set"]);
  return fields;
}

Secret session_token_of(const RequestHead& head, bool presigned) {
  if (presigned) {
    const auto items = query_items(head.target);
    for (const QueryItem& item : *items)
      if (item.name == "X-Amz-Security-Token") return Secret(item.value);
  }
  const std::string* header = find_header(head.headers, "x-amz-security-token");
  return header == nullptr ? Secret() : Secret(*header);
}

// S3: a header that decides something and is not signed could be changed by anybody on the way.
S3Result<> check_signed_headers(const SignatureClaim& claim, const Headers& headers) {
  const auto is_signed = [&](const std::string& name) {
    return std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(), name);
  };
  if (!is_signed("host")) {
    auto error = s3_fail(S3Code::access_denied, "the host header is not signed");
    error.value().details.emplace_back("HeadersNotSigned", "host");
    return error;
  }
  for (const Header& header : headers) {
    const std::string name = lower(header.name);
    if (!name.starts_with("x-amz-") || is_signed(name)) continue;
    auto error = s3_fail(S3Code::access_denied,
                         "There were headers present in the request which were not signed");
    error.value().details.emplace_back("HeadersNotSigned", name);
    return error;
  }
  for (const std::string& name : claim.signed_headers)
    if (find_header(headers, name) == nullptr)
      return s3_fail(S3Code::access_denied, "the signed header " + name.substr(0, longest_name) +
                                                " is not in the request");
  return {};
}

S3Result<> check_repeated(const Headers& headers) {
  for (const std::string_view name : once_only)
    if (count_headers(headers, name) > 1)
      return s3_fail(S3Code::invalid_argument, "the header " + std::string(name) + " is repeated");
  return {};
}

}  // namespace

std::optional<ClaimedCredential> read_credential(std::string_view text,
                                                 SigningAlgorithm algorithm) {
  const std::string_view terminator = take_last_part(text);
  const std::string_view service = take_last_part(text);
  const std::string_view region =
      algorithm == SigningAlgorithm::hmac ? take_last_part(text) : std::string_view("none");
  const std::string_view date = take_last_part(text);
  if (terminator != "aws4_request" || !is_signing_name(service) || !is_signing_name(region) ||
      date.size() != 8 || !is_identity(text))
    return std::nullopt;
  if (date.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  ClaimedCredential credential;
  credential.access_key_id = text;
  credential.scope.date = date;
  if (algorithm == SigningAlgorithm::hmac) credential.scope.region = region;
  credential.scope.service = service;
  credential.scope.algorithm = algorithm;
  return credential;
}

S3Result<std::optional<ClaimFields>> read_claim_fields(const RequestHead& head) {
  const auto items = query_items(head.target);
  if (!items) return s3_fail(S3Code::invalid_argument, "the query has malformed percent-encoding");
  const bool in_query = std::any_of(items->begin(), items->end(), [](const QueryItem& item) {
    return is_query_authentication(item.name);
  });
  const bool in_header = count_headers(head.headers, "authorization") > 0;
  if (in_query && in_header)
    return s3_fail(S3Code::invalid_argument,
                   "Only one auth mechanism allowed; only the X-Amz-* query parameters or the "
                   "Authorization header should be specified");
  if (!in_query && !in_header) return std::optional<ClaimFields>();
  TRY(check_repeated(head.headers));
  TRY_ASSIGN(ClaimFields fields,
             in_query ? read_query_fields(*items) : read_header_fields(head.headers));
  return std::optional(std::move(fields));
}

S3Result<std::optional<SignatureClaim>> read_claim(const RequestHead& head) {
  TRY_ASSIGN(const std::optional<ClaimFields> fields, read_claim_fields(head));
  if (!fields) return std::optional<SignatureClaim>();
  if (fields->date.empty())
    return s3_fail(S3Code::access_denied, "AWS authentication requires a valid x-amz-date header");
  TRY_ASSIGN(SignatureClaim claim, read_fields(*fields));
  if (fields->presigned) {
    TRY_ASSIGN(claim.expires, read_expires(fields->expires));
  }
  TRY(check_signed_headers(claim, head.headers));
  claim.session_token = session_token_of(head, fields->presigned);
  return std::optional(std::move(claim));
}

}  // namespace keyward::netproxy
