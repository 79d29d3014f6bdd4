#include "netproxy/sigv4/signer.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/host_region.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/signing_keys.hpp"

namespace keyward::netproxy {
namespace {

// What the client's own signing left behind; all of it is made anew or must not leave.
void remove_client_signature(Headers& headers) {
  for (const char* name : {"authorization", "date", "x-amz-date", "x-amz-security-token",
                           "x-amz-content-sha256", "x-amz-region-set", "x-amz-s3session-token"})
    remove_header(headers, name);
}

Headers headers_to_sign(const Headers& headers) {
  Headers chosen;
  for (const Header& header : headers)
    if (is_signed_header(lower(header.name))) chosen.push_back(header);
  return chosen;
}

// By the derived key of exactly this scope where there is one, else by the secret.
Result<std::string> sign_text(const SigningInput& input, const SigningScope& scope,
                              std::string_view text) {
  if (input.derived != nullptr) {
    if (input.derived->scope.text() != scope.text())
      return fail(Code::unavailable, "sigv4: the derived signing key is for " +
                                         input.derived->scope.text() + ", the request needs " +
                                         scope.text());
    return signature(input.derived->bytes, text);
  }
  if (input.credentials.secret_access_key.empty())
    return fail(Code::unavailable, "sigv4: there is no key to sign with");
  SigningKeys own;
  return signature((input.keys != nullptr ? *input.keys : own).get(input.credentials, scope), text);
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

Result<SigningTarget> choose_target(std::string_view policy_region, std::string_view policy_service,
                                    const std::optional<ClientScope>& client,
                                    std::string_view host) {
  SigningTarget target{std::string(policy_region), std::string(policy_service)};
  if (client && client->service != target.service)
    return fail(Code::denied, "the client signs for " + client->service.substr(0, 64) +
                                  ", the policy for " + target.service);
  if (!target.region.empty()) return target;
  const std::optional<std::string> named = region_of_host(host);
  if (client && named && client->region != *named)
    return fail(Code::denied, "the client signs for region " + client->region.substr(0, 64) +
                                  ", the host is in " + *named);
  if (named)
    target.region = *named;
  else if (client)
    target.region = client->region;
  else
    return fail(Code::invalid,
                "no region: the host does not say one, nor does the client; set signing_region in "
                "the policy");
  return target;
}

Result<> sign_request(RequestHead& head, const SigningInput& input) {
  if (head.target == "*") return fail(Code::invalid, "sigv4: OPTIONS * cannot be signed");
  const PathStyle style = is_s3_family(input.target.service) ? s3_path_style : general_path_style;
  TRY_ASSIGN(CanonicalTarget target, canonical_target(head.target, style));
  const std::string date = amz_date(input.now);
  const SigningScope scope{date.substr(0, 8), input.target.region, input.target.service};

  remove_client_signature(head.headers);
  set_header(head.headers, "Host", std::string(input.authority));
  head.headers.push_back({"X-Amz-Date", date});
  head.headers.push_back({"X-Amz-Content-Sha256", input.payload.hash});
  if (!input.credentials.session_token.empty())
    head.headers.push_back(
        {"X-Amz-Security-Token", std::string(input.credentials.session_token.reveal())});

  const CanonicalRequest request =
      canonical_request(head.method, target, headers_to_sign(head.headers), input.payload.hash);
  TRY_ASSIGN(const std::string signed_text,
             sign_text(input, scope, string_to_sign(date, scope, request.text)));
  head.headers.push_back(
      {"Authorization", authorization_value(input.credentials.access_key_id, scope,
                                            request.signed_headers, signed_text)});
  head.target = std::move(target.sent);
  return {};
}

}  // namespace keyward::netproxy
