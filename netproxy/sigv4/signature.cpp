#include "netproxy/sigv4/signature.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward::netproxy {
namespace {

// What a text has beside the parts whose size is known.
constexpr std::size_t usual_rest = 128;

Secret step(const Secret& key, std::string_view data) {
  Digest digest = hmac_sha256(key.reveal(), data);
  Secret next(as_chars(digest));
  wipe(digest.data(), digest.size());
  return next;
}

}  // namespace

std::string_view to_string(SigningAlgorithm algorithm) {
  return algorithm == SigningAlgorithm::hmac ? "AWS4-HMAC-SHA256" : "AWS4-ECDSA-P256-SHA256";
}

std::string SigningScope::text() const {
  constexpr std::string_view end = "/aws4_request";
  std::string out;
  out.reserve(date.size() + region.size() + service.size() + end.size() + 2);
  out.append(date);
  if (algorithm == SigningAlgorithm::hmac) out.append("/").append(region);
  return out.append("/").append(service).append(end);
}

std::string string_to_sign(std::string_view amz_date, const SigningScope& scope,
                           std::string_view canonical_request) {
  const std::string scope_text = scope.text();
  std::string text;
  text.reserve(scope_text.size() + usual_rest);
  text.append(to_string(scope.algorithm)).append("\n").append(amz_date).append("\n");
  return text.append(scope_text).append("\n").append(hex(sha256(canonical_request)));
}

Secret derive_signing_key(const Secret& secret_access_key, const SigningScope& scope) {
  Secret key("AWS4");
  key.append(secret_access_key.reveal());
  for (const std::string_view part :
       {std::string_view(scope.date), std::string_view(scope.region),
        std::string_view(scope.service), std::string_view("aws4_request")})
    key = step(key, part);
  return key;
}

std::string signature(const HmacSha256& signing_key, std::string_view text) {
  return hex(signing_key.of(text));
}

std::string authorization_value(std::string_view access_key_id, const SigningScope& scope,
                                std::string_view signed_headers, std::string_view signature) {
  const std::string scope_text = scope.text();
  std::string value;
  value.reserve(access_key_id.size() + scope_text.size() + signed_headers.size() +
                signature.size() + usual_rest);
  value.append(to_string(scope.algorithm)).append(" Credential=").append(access_key_id);
  value.append("/").append(scope_text).append(", SignedHeaders=").append(signed_headers);
  return value.append(", Signature=").append(signature);
}

}  // namespace keyward::netproxy
