#include "netproxy/sigv4/signer.hpp"

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/claim.hpp"
#include "netproxy/sigv4/query.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/signing_keys.hpp"

namespace keyward::netproxy {
namespace {

// What the client's own signing left behind; all of it is made anew or must not leave.
Result<> remove_client_signature(RequestHead& head) {
  for (const char* name : {"authorization", "date", "x-amz-date", "x-amz-security-token",
                           "x-amz-content-sha256", "x-amz-region-set", "x-amz-s3session-token"})
    remove_header(head.headers, name);
  if (head.target.find('?') == std::string::npos) return {};
  TRY_ASSIGN(head.target, without_query_items(head.target, [](const QueryItem& item) {
               return is_query_authentication(item.name);
             }));
  return {};
}

SigningScope scope_of(const SigningTarget& target, std::string_view amz_date) {
  const bool hmac = target.algorithm == SigningAlgorithm::hmac;
  return {std::string(amz_date.substr(0, 8)), hmac ? target.region : std::string(), target.service,
          target.algorithm};
}

// Both ways begin with this: nothing of the client's signature, and our Host.
Result<> prepare(RequestHead& head, const SigningInput& input) {
  if (head.target == "*") return fail(Code::invalid, "sigv4: OPTIONS * cannot be signed");
  if (input.target.region.empty() || input.target.service.empty())
    return fail(Code::invalid, "sigv4: no region or no service to sign for");
  TRY(remove_client_signature(head));
  set_header(head.headers, "Host", std::string(input.authority));
  return {};
}

// The items of a presigned URL but its signature, in the order in which S3's documentation has
// them.
std::string presign_items(const SigningInput& input, const SigningScope& scope,
                          std::string_view amz_date,
                          const std::vector<std::pair<std::string_view, std::string>>& more) {
  std::string items = "X-Amz-Algorithm=" + std::string(to_string(scope.algorithm));
  const auto add = [&items](std::string_view name, std::string_view value) {
    items.append("&").append(name).append("=").append(percent_encode(value, Slash::encode));
  };
  add("X-Amz-Credential", input.credentials.access_key_id + "/" + scope.text());
  add("X-Amz-Date", amz_date);
  for (const auto& [name, value] : more) add(name, value);
  if (scope.algorithm == SigningAlgorithm::ecdsa) add("X-Amz-Region-Set", input.target.region);
  if (!input.credentials.session_token.empty())
    add("X-Amz-Security-Token", input.credentials.session_token.reveal());
  return items;
}

}  // namespace

AwsCredentials AwsCredentials::clone() const {
  AwsCredentials copy{access_key_id, secret_access_key.clone(), session_token.clone()};
  for (const DerivedKey& key : derived_keys)
    copy.derived_keys.push_back({key.scope, key.bytes.clone(), key.validity});
  return copy;
}

Result<const DerivedKey*> choose_key(const AwsCredentials& credentials, const SigningScope& scope) {
  if (!credentials.secret_access_key.empty()) return nullptr;
  if (const DerivedKey* key = find_key(credentials.derived_keys, scope)) return key;
  constexpr std::size_t shown = 64;
  return fail(Code::unavailable, "no signing key for date " + scope.date + ", region " +
                                     scope.region.substr(0, shown) + ", service " +
                                     scope.service.substr(0, shown) +
                                     ": the gateway has handed out none for exactly these");
}

Result<std::string> sign_text(const SigningInput& input, const SigningScope& scope,
                              std::string_view text) {
  SigningKeys own;
  SigningKeys& keys = input.keys != nullptr ? *input.keys : own;
  const AwsCredentials& credentials = input.credentials;
  if (input.derived != nullptr) {
    if (scope.text() != input.derived->scope.text())
      return fail(Code::unavailable, "sigv4: the derived signing key is for " +
                                         input.derived->scope.text() + ", the request needs " +
                                         scope.text());
    return signature(HmacSha256(input.derived->bytes.reveal()), text);
  }
  if (credentials.secret_access_key.empty())
    return fail(Code::unavailable, "sigv4: there is no key to sign with");
  if (scope.algorithm == SigningAlgorithm::hmac)
    return signature(*keys.get(credentials.access_key_id, credentials.secret_access_key, scope),
                     text);
  TRY_ASSIGN(const P256PrivateKey pair,
             keys.key_pair(credentials.access_key_id, credentials.secret_access_key));
  TRY_ASSIGN(const std::string der, pair.sign(text));
  return hex(as_bytes(der));
}

Result<std::string> sign_request(RequestHead& head, const SigningInput& input) {
  TRY(prepare(head, input));
  TRY_ASSIGN(CanonicalTarget target,
             canonical_target(head.target, path_style_of(input.target.service)));
  const std::string date = amz_date(input.now);
  const SigningScope scope = scope_of(input.target, date);
  head.headers.push_back({"X-Amz-Date", date});
  head.headers.push_back({"X-Amz-Content-Sha256", input.payload.hash});
  if (scope.algorithm == SigningAlgorithm::ecdsa)
    head.headers.push_back({"X-Amz-Region-Set", input.target.region});
  if (!input.credentials.session_token.empty())
    head.headers.push_back(
        {"X-Amz-Security-Token", std::string(input.credentials.session_token.reveal())});

  const CanonicalRequest request = canonical_request_of(head, target, input.payload.hash);
  TRY_ASSIGN(std::string signed_text,
             sign_text(input, scope, string_to_sign(date, scope, request.text)));
  head.headers.push_back(
      {"Authorization", authorization_value(input.credentials.access_key_id, scope,
                                            request.signed_headers, signed_text)});
  head.target = std::move(target.sent);
  return signed_text;
}

Result<> presign_request(RequestHead& head, const SigningInput& input,
                         std::chrono::seconds expires) {
  if (expires < std::chrono::seconds(1) || expires > longest_expiry)
    return fail(Code::invalid, "sigv4: a presigned URL lives from 1 to 604800 seconds");
  TRY(prepare(head, input));
  const std::string date = amz_date(input.now);
  const SigningScope scope = scope_of(input.target, date);
  const PathStyle style = path_style_of(input.target.service);
  std::vector<std::pair<std::string_view, std::string>> more = {
      {"X-Amz-Expires", std::to_string(expires.count())},
      {"X-Amz-SignedHeaders", canonical_request_of(head, {}, "").signed_headers}};
  // S3 assumes an unsigned body; what differs is said.
  if (!style.encode_again && input.payload.hash != "UNSIGNED-PAYLOAD")
    more.emplace_back("X-Amz-Content-Sha256", input.payload.hash);
  head.target += head.target.find('?') == std::string::npos ? '?' : '&';
  head.target += presign_items(input, scope, date, more);
  TRY_ASSIGN(CanonicalTarget target, canonical_target(head.target, style));
  const CanonicalRequest request = canonical_request_of(head, target, input.payload.hash);
  TRY_ASSIGN(const std::string signed_text,
             sign_text(input, scope, string_to_sign(date, scope, request.text)));
  head.target = target.sent + "&X-Amz-Signature=" + signed_text;
  return {};
}

Result<> represign_request(RequestHead& head, const SigningInput& input) {
  const auto claim = read_claim(head);
  if (!claim) return fail(Code::invalid, "sigv4: " + claim.error().message);
  const std::optional<SignatureClaim>& found = *claim;
  if (!found || !found->presigned) return fail(Code::invalid, "sigv4: no presigned URL");
  const SignatureClaim& old = *found;
  if (old.signed_at > input.now + skew_window)
    return fail(Code::denied, "sigv4: the presigned URL is not valid yet");
  const auto left =
      std::chrono::ceil<std::chrono::seconds>(old.signed_at + old.expires - input.now);
  if (left <= std::chrono::seconds(0))
    return fail(Code::denied, "sigv4: the presigned URL has expired");
  return presign_request(head, input, std::min(left, longest_expiry));
}

}  // namespace keyward::netproxy
