#include "netproxy/sigv4/signature.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward::netproxy {
namespace {

Secret step(const Secret& key, std::string_view data) {
  Digest digest = hmac_sha256(key.reveal(), data);
  Secret next(as_chars(digest));
  wipe(digest.data(), digest.size());
  return next;
}

}  // namespace

std::string string_to_sign(std::string_view amz_date, const SigningScope& scope,
                           std::string_view canonical_request) {
  return "AWS4-HMAC-SHA256\n" + std::string(amz_date) + "\n" + scope.text() + "\n" +
         hex(sha256(canonical_request));
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

std::string signature(const Secret& signing_key, std::string_view text) {
  return hex(hmac_sha256(signing_key.reveal(), text));
}

std::string authorization_value(std::string_view access_key_id, const SigningScope& scope,
                                std::string_view signed_headers, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=" + std::string(access_key_id) + "/" + scope.text() +
         ", SignedHeaders=" + std::string(signed_headers) + ", Signature=" + std::string(signature);
}

}  // namespace keyward::netproxy
