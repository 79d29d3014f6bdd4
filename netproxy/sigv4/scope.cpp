// The client's own signature, as far as re-signing needs it (netproxy/sigv4/signer.hpp,
// client_scope).

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

// Names compare without case and after decoding, as the upstream reads them.
bool has_presigned_query(std::string_view target) {
  static constexpr std::array<std::string_view, 6> names = {
      "x-amz-algorithm", "x-amz-credential",    "x-amz-signature",
      "x-amz-expires",   "x-amz-signedheaders", "x-amz-security-token"};
  std::string_view query = target.substr(std::min(target.find('?'), target.size()));
  while (!query.empty()) {
    query.remove_prefix(1);  // '?' or '&'
    const std::string_view item = query.substr(0, query.find('&'));
    const auto name = percent_decode(item.substr(0, item.find('=')));
    if (name && std::find(names.begin(), names.end(), lower(*name)) != names.end()) return true;
    query.remove_prefix(item.size());
  }
  return false;
}

// "Credential=…, SignedHeaders=…, Signature=…": commas with or without a blank (some clients send
// none).
Result<std::map<std::string, std::string>> parameters(std::string_view text) {
  std::map<std::string, std::string> found;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos)
      return fail(Code::invalid, "Authorization: malformed parameter");
    if (!found.emplace(part.substr(0, equals), part.substr(equals + 1)).second)
      return fail(Code::invalid, "Authorization: repeated parameter");
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  return found;
}

Result<ClientScope> parse_credential(std::string_view credential) {
  std::vector<std::string> parts;
  for (;;) {
    const auto slash = credential.find('/');
    parts.emplace_back(credential.substr(0, slash));
    if (slash == std::string_view::npos) break;
    credential.remove_prefix(slash + 1);
  }
  if (parts.size() != 5 || parts[4] != "aws4_request")
    return fail(Code::invalid, "Authorization: malformed credential scope");
  for (const std::string& part : parts)
    if (part.empty()) return fail(Code::invalid, "Authorization: malformed credential scope");
  return ClientScope{parts[0], parts[1], parts[2], parts[3]};
}

}  // namespace

Result<std::optional<ClientScope>> client_scope(const RequestHead& head) {
  const std::size_t count = count_headers(head.headers, "authorization");
  if (has_presigned_query(head.target))
    return fail(
        Code::unsupported,
        "presigned URLs are not served by this version: sign with the Authorization header");
  if (count == 0) return std::optional<ClientScope>();
  if (count > 1) return fail(Code::invalid, "more than one Authorization header");
  const std::string& value = *find_header(head.headers, "authorization");
  if (value.starts_with("AWS4-ECDSA-P256-SHA256"))
    return fail(Code::unsupported, "SigV4a is not served by this version: sign with SigV4");
  if (!value.starts_with(algorithm) || value.size() <= algorithm.size() ||
      value[algorithm.size()] != ' ')
    return fail(Code::invalid, "Authorization is not AWS4-HMAC-SHA256");
  TRY_ASSIGN(const auto fields, parameters(std::string_view(value).substr(algorithm.size() + 1)));
  if (fields.size() != 3 || !fields.contains("Credential") || !fields.contains("SignedHeaders") ||
      !fields.contains("Signature"))
    return fail(Code::invalid, "Authorization needs Credential, SignedHeaders and Signature");
  TRY_ASSIGN(ClientScope scope, parse_credential(fields.at("Credential")));
  return std::optional(std::move(scope));
}

}  // namespace keyward::netproxy
