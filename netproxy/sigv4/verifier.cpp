#include "netproxy/sigv4/verifier.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/derived_keys.hpp"
#include "netproxy/sigv4/query.hpp"
#include "netproxy/sigv4/sigv4a.hpp"

namespace keyward::netproxy {
namespace {

using ChunkKey = std::variant<std::shared_ptr<const HmacSha256>, P256PublicKey>;

struct PayloadValue {
  std::string_view text;
  SignedPayload payload;
  std::optional<SigningAlgorithm> algorithm;  // that the request must be signed with
};
constexpr PayloadValue payload_values[] = {
    {"UNSIGNED-PAYLOAD", SignedPayload::unsigned_payload, std::nullopt},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SignedPayload::unsigned_trailer, std::nullopt},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SignedPayload::chunks, SigningAlgorithm::hmac},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SignedPayload::chunks_trailer,
     SigningAlgorithm::hmac},
    {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", SignedPayload::chunks, SigningAlgorithm::ecdsa},
    {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", SignedPayload::chunks_trailer,
     SigningAlgorithm::ecdsa},
    {"STREAMING-AWS4-HMAC-SHA256-EVENTS", SignedPayload::events, SigningAlgorithm::hmac}};

S3Result<> check_scope(const SignatureClaim& claim, const VerifierRules& rules) {
  const S3Code code = claim.presigned ? S3Code::authorization_query_parameters_error
                                      : S3Code::authorization_header_malformed;
  if (claim.scope.service != rules.service)
    return s3_fail(code, "the credential's service is " + claim.scope.service + "; expecting " +
                             std::string(rules.service));
  if (claim.scope.algorithm == SigningAlgorithm::ecdsa) {
    if (claim.region_set.empty()) return s3_fail(code, "SigV4a needs a signed X-Amz-Region-Set");
    if (rules.region.empty() || region_set_covers(claim.region_set, rules.region)) return {};
  } else if (rules.region.empty() || claim.scope.region == rules.region) {
    return {};
  }
  auto error = s3_fail(
      code, "the region '" +
                (claim.scope.algorithm == SigningAlgorithm::ecdsa ? claim.region_set.substr(0, 64)
                                                                  : claim.scope.region) +
                "' is wrong; expecting '" + std::string(rules.region) + "'");
  error.value().details.emplace_back("Region", rules.region);
  return error;
}

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What stands in the canonical request's last line.
S3Result<std::string> payload_hash_of(const RequestHead& head, const SignatureClaim& claim,
                                      const VerifierRules& rules) {
  if (const std::string* value = find_header(head.headers, "x-amz-content-sha256")) return *value;
  const bool is_s3 = is_s3_family(rules.service);
  if (claim.presigned) {
    const auto items = query_items(head.target);
    if (!items) return s3_fail(S3Code::invalid_argument);
    for (const QueryItem& item : *items)
      if (item.name == "X-Amz-Content-Sha256") return item.value;
    if (is_s3) return "UNSIGNED-PAYLOAD";
  }
  if (is_s3)
    return s3_fail(S3Code::invalid_request,
                   "Missing required header for this request: x-amz-content-sha256");
  if (!rules.body_hash.empty()) return std::string(rules.body_hash);
  if (head.framing == Framing::none) return hex(sha256(""));
  return s3_fail(S3Code::invalid_request,
                 "a request with a body needs x-amz-content-sha256 to be verified");
}

S3Result<SignedPayload> payload_of(std::string_view value, SigningAlgorithm algorithm) {
  if (is_hash(value)) return SignedPayload::hash;
  for (const PayloadValue& known : payload_values) {
    if (value != known.text) continue;
    if (known.algorithm && known.algorithm != algorithm)
      return s3_fail(S3Code::invalid_request,
                     "x-amz-content-sha256 names another algorithm than the Authorization");
    return known.payload;
  }
  return s3_fail(S3Code::invalid_argument,
                 "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING-* value that S3 "
                 "documents, or a valid sha256 value in lower-case hex");
}

std::string seconds_text(std::chrono::milliseconds duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

S3Result<> check_header_time(const SignatureClaim& claim, TimePoint now) {
  const auto ahead = claim.signed_at - now;
  if (std::chrono::abs(ahead) <= skew_window) return {};
  auto error = s3_fail(
      S3Code::request_time_too_skewed,
      "The difference between the request time and the current time is too large: the request is " +
          seconds_text(std::chrono::abs(ahead)) + (ahead.count() > 0 ? " ahead" : " behind"));
  auto& details = error.value().details;
  details.emplace_back("RequestTime", claim.amz_date);
  details.emplace_back("ServerTime", iso_time(now));
  details.emplace_back(
      "MaxAllowedSkewMilliseconds",
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(skew_window).count()));
  return error;
}

S3Result<> check_presigned_time(const SignatureClaim& claim, TimePoint now) {
  if (claim.signed_at > now + skew_window)
    return s3_fail(S3Code::access_denied, "Request is not valid yet: its date is " +
                                              seconds_text(claim.signed_at - now) + " ahead");
  const TimePoint end = claim.signed_at + claim.expires;
  if (now <= end) return {};
  auto error = s3_fail(S3Code::access_denied, "Request has expired");
  auto& details = error.value().details;
  details.emplace_back("X-Amz-Expires", std::to_string(claim.expires.count()));
  details.emplace_back("Expires", iso_time(end));
  details.emplace_back("ServerTime", iso_time(now));
  return error;
}

// The key in the form that checks signatures.
S3Result<ChunkKey> ready_key(const SignatureClaim& claim, const VerificationKey& key,
                             SigningKeys& cache) {
  const bool hmac = claim.scope.algorithm == SigningAlgorithm::hmac;
  if (const auto* secret = std::get_if<SecretAccessKey>(&key)) {
    if (hmac) return cache.get(claim.access_key_id, secret->bytes, claim.scope);
    const auto pair = cache.key_pair(claim.access_key_id, secret->bytes);
    if (!pair) return s3_fail(S3Code::internal_error);
    return pair->public_key();
  }
  const auto* derived = std::get_if<DerivedSigningKey>(&key);
  if (hmac && derived != nullptr)
    return std::make_shared<const HmacSha256>(derived->bytes.reveal());
  const auto* public_key = std::get_if<P256PublicKey>(&key);
  if (!hmac && public_key != nullptr) return *public_key;
  return s3_fail(S3Code::invalid_access_key_id,
                 "the key of this id does not verify the algorithm of the request");
}

S3Result<CanonicalRequest> signed_request(const RequestHead& head, const SignatureClaim& claim,
                                          const VerifierRules& rules, std::string_view payload) {
  auto target =
      claim.presigned
          ? without_query_items(
                head.target, [](const QueryItem& item) { return item.name == "X-Amz-Signature"; })
          : Result<std::string>(head.target);
  if (!target) return s3_fail(S3Code::invalid_argument, target.error().what);
  const auto canonical = canonical_target(*target, rules.path_style);
  if (!canonical) return s3_fail(S3Code::invalid_argument, canonical.error().what);
  Headers headers;
  for (const Header& header : head.headers)
    if (std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(),
                           lower(header.name)))
      headers.push_back(header);
  return canonical_request(head.method, *canonical, headers, payload);
}

bool matches(const SignatureClaim& claim, const ChunkKey& key, std::string_view text) {
  if (const auto* hmac = std::get_if<std::shared_ptr<const HmacSha256>>(&key))
    return equal_in_constant_time(signature(**hmac, text), claim.signature);
  const auto der = unhex(claim.signature);
  return der && std::get<P256PublicKey>(key).verifies(text, *der);
}

std::string spaced_hex(std::string_view text) {
  const std::string digits = hex(as_bytes(text));
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    out.append(out.empty() ? "" : " ").append(digits, i, 2);
  return out;
}

// S3's help for the author of a client.  A session token stays out: it is all that a reader of the
// answer would lack.
tl::unexpected<S3Error> mismatch(const SignatureClaim& claim, std::string_view canonical,
                                 std::string_view text) {
  auto error = s3_fail(S3Code::signature_does_not_match);
  auto& details = error.value().details;
  details.emplace_back("AWSAccessKeyId", claim.access_key_id);
  details.emplace_back("StringToSign", text);
  details.emplace_back("SignatureProvided", claim.signature);
  details.emplace_back("StringToSignBytes", spaced_hex(text));
  if (!claim.session_token.empty()) return error;
  details.emplace_back("CanonicalRequest", canonical);
  details.emplace_back("CanonicalRequestBytes", spaced_hex(canonical));
  return error;
}

S3Result<SignatureClaim> required_claim(const RequestHead& head) {
  TRY_ASSIGN(auto claim, read_claim(head));
  if (claim) return std::move(*claim);
  const std::string* payload = find_header(head.headers, "x-amz-content-sha256");
  if (payload != nullptr && payload->starts_with("STREAMING-AWS4-"))
    return s3_fail(S3Code::invalid_request,
                   "an anonymous request cannot have a body whose chunks are signed");
  return s3_fail(S3Code::access_denied, "the request carries no signature");
}

}  // namespace

S3Result<VerifiedRequest> verify_request(const RequestHead& head, const VerifierRules& rules,
                                         VerificationKeys& keys) {
  TRY_ASSIGN(SignatureClaim claim, required_claim(head));
  TRY(check_scope(claim, rules));
  TRY_ASSIGN(std::string payload_hash, payload_hash_of(head, claim, rules));
  TRY_ASSIGN(const SignedPayload payload, payload_of(payload_hash, claim.scope.algorithm));
  TRY(claim.presigned ? check_presigned_time(claim, rules.now)
                      : check_header_time(claim, rules.now));
  TRY_ASSIGN(const VerificationKey found, keys.find(claim));
  SigningKeys own;
  TRY_ASSIGN(ChunkKey key, ready_key(claim, found, rules.keys != nullptr ? *rules.keys : own));
  TRY_ASSIGN(const CanonicalRequest request, signed_request(head, claim, rules, payload_hash));
  const std::string text = string_to_sign(claim.amz_date, claim.scope, request.text);
  if (!matches(claim, key, text)) return mismatch(claim, request.text, text);
  return VerifiedRequest{std::move(claim), payload, std::move(payload_hash), std::move(key)};
}

}  // namespace keyward::netproxy
