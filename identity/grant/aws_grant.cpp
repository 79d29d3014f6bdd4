#include "identity/grant/aws_grant.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/sigv4/derived_keys.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr std::size_t roles_limit = 4, arn_limit = 2048, external_id_limit = 1224;
constexpr std::size_t session_name_limit = 64, digest_digits = 16;
constexpr seconds shortest_session{900}, longest_session{43'200}, longest_chained{3'600};

tl::unexpected<Error> bad(const std::string& what) {
  return fail(Code::invalid, "token grant: aws." + what);
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool consists_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || others.find(c) != std::string_view::npos;
  });
}

bool is_arn(std::string_view text) {
  return text.starts_with("arn:") && text.size() <= arn_limit &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Result<> check_role(const AwsRole& role, bool first) {
  if (!is_arn(role.arn)) return bad("roles.role_arn is no ARN of at most 2048 bytes");
  if (!role.session_name.empty() &&
      (role.session_name.size() < 2 || role.session_name.size() > session_name_limit ||
       !consists_of(role.session_name, "_+=,.@-")))
    return bad("roles.session_name must be 2 to 64 letters, digits and _+=,.@-");
  if (first && !role.external_id.empty())
    return bad("roles.external_id: the first role is assumed by the JWT-SVID, which takes none");
  if (!role.external_id.empty() &&
      (role.external_id.size() < 2 || role.external_id.size() > external_id_limit ||
       !consists_of(role.external_id, "_+=,.@:/-")))
    return bad("roles.external_id must be 2 to 1224 letters, digits and _+=,.@:/-");
  const seconds longest = first ? longest_session : longest_chained;
  if (role.duration != seconds(0) && (role.duration < shortest_session || role.duration > longest))
    return bad("roles.duration_seconds must be 900 to " + std::to_string(longest.count()) +
               ", or 0");
  return {};
}

// `us-gov-west-1`.  Whoever may choose another label there, such as a bucket's, is not Amazon.
bool is_region(std::string_view text) {
  const auto dash = text.rfind('-');
  if (dash == std::string_view::npos || dash + 2 != text.size()) return false;
  const std::string_view name = text.substr(0, dash);
  return text.back() >= '0' && text.back() <= '9' && name.find('-') == 2 &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c == '-' || (c >= 'a' && c <= 'z'); });
}

// STS itself, in one region or in all.
bool is_amazon_sts(std::string_view host, std::string_view suffix) {
  if (!host.ends_with(suffix)) return false;
  host.remove_suffix(suffix.size());
  if (host == "sts") return true;
  const auto dot = host.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view service = host.substr(0, dot);
  return (service == "sts" || service == "sts-fips") && is_region(host.substr(dot + 1));
}

}  // namespace

Result<> check_aws_grant(const AwsGrant& grant) {
  if (!grant.region.empty() && !netproxy::is_scope_name(grant.region))
    return bad("region is no region's name");
  if (grant.roles.empty() || grant.roles.size() > roles_limit)
    return bad("roles must be one to four");
  for (const AwsRole& role : grant.roles) TRY(check_role(role, &role == &grant.roles.front()));
  return {};
}

std::string sts_origin(const Url& endpoint) {
  for (const std::string_view suffix : {".amazonaws.com", ".amazonaws.com.cn"})
    if (endpoint.tls && endpoint.port == 443 && is_amazon_sts(endpoint.host, suffix))
      return "STS of *" + std::string(suffix);
  return (endpoint.tls ? "https://" : "http://") + endpoint.authority();
}

std::string session_name_of(std::string_view spiffe_id) {
  constexpr std::string_view scheme = "spiffe://";
  const std::string_view text =
      spiffe_id.starts_with(scheme) ? spiffe_id.substr(scheme.size()) : spiffe_id;
  std::string name(text);
  for (char& c : name)
    if (!consists_of({&c, 1}, "_.-")) c = c == '/' ? '=' : '_';
  // No SPIFFE ID has an equals sign of its own (SPIFFE-ID section 2).
  if (name.size() >= 2 && name.size() <= session_name_limit && consists_of(text, "_.-/"))
    return name;
  name.resize(std::min(name.size(), session_name_limit - digest_digits - 1));
  return name + "," + hex(sha256(spiffe_id)).substr(0, digest_digits);
}

}  // namespace keyward::identity
