// The client's own signature, as far as re-signing needs it (netproxy/sigv4/signer.hpp,
// client_scope).

#include <map>
#include <vector>

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

bool has_presigned_query(std::string_view target) {
  const std::string query = lower(target.substr(std::min(target.find('?'), target.size())));
  for (const char* name :
       {"x-amz-algorithm=", "x-amz-signature=", "x-amz-credential=", "x-amz-security-token="})
    for (auto at = query.find(name); at != std::string::npos; at = query.find(name, at + 1))
      if (query[at - 1] == '?' || query[at - 1] == '&') return true;
  // An encoded name would be decoded by the upstream: `X%2DAmz%2DSignature`.
  const auto decoded = percent_decode(query);
  return !decoded || (query.find('%') != std::string::npos &&
                      decoded->find("x-amz-signature=") != std::string::npos);
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
