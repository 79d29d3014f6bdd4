#include "sigv4proxy/describe.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/query.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::sigv4proxy {
namespace {

using namespace netproxy;

void hide_token(std::string& text, const Headers& headers) {
  const std::string* token = find_header(headers, "x-amz-security-token");
  if (token == nullptr || token->empty()) return;
  const std::string shown = Secret(*token).fingerprint();
  for (auto at = text.find(*token); at != std::string::npos; at = text.find(*token, at))
    text.replace(at, token->size(), shown);
}

// A signature that somebody reads is one that he could use.
std::string without_signature(std::string text) {
  constexpr std::string_view name = "Signature=";
  constexpr std::size_t shown = 8;
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
    at += name.size();
    const auto end = std::min(text.find_first_not_of("0123456789abcdef", at), text.size());
    if (end - at > shown) text.replace(at + shown, end - at - shown, "…");
  }
  return text;
}

std::string without_token(RequestHead head) {
  auto target = without_query_items(head.target, [](const QueryItem& item) {
    return equals_ignoring_case(item.name, "x-amz-security-token");
  });
  head.target = target ? std::move(*target) : std::string("/");
  return serialize(head);
}

}  // namespace

std::string describe_signature(const SignedRequest& request) {
  const Headers& headers = request.head.headers;
  const std::string* date = find_header(headers, "x-amz-date");
  const auto target = canonical_target(request.target, path_style_of(request.scope.service));
  if (!target) return "the request was not signed\n";
  if (date == nullptr)
    return "signed in the query, sent:\n" + without_signature(without_token(request.head));
  const CanonicalRequest canonical =
      canonical_request_of(request.head, *target, request.payload_hash);
  const SigningScope scope{date->substr(0, 8), request.scope.region, request.scope.service,
                           request.scope.algorithm};
  std::string text = "canonical request:\n" + canonical.text + "\n\nstring to sign:\n" +
                     string_to_sign(*date, scope, canonical.text) + "\n\nsent:\n" +
                     serialize(request.head);
  hide_token(text, headers);
  return without_signature(std::move(text));
}

}  // namespace keyward::sigv4proxy
