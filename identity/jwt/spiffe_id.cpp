#include "identity/jwt/spiffe_id.hpp"

#include <algorithm>

namespace keyward::identity {
namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::size_t id_limit = 2048, trust_domain_limit = 255;  // bytes

bool is_trust_domain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool is_path_character(char c) { return is_trust_domain_character(c) || (c >= 'A' && c <= 'Z'); }

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), is_path_character);
}

// Each segment with its slash.
bool is_path(std::string_view path) {
  while (!path.empty()) {
    if (path[0] != '/') return false;
    const auto end = std::min(path.find('/', 1), path.size());
    if (!is_segment(path.substr(1, end - 1))) return false;
    path.remove_prefix(end);
  }
  return true;
}

}  // namespace

Result<SpiffeId> parse_spiffe_id(std::string_view text) {
  if (text.size() > id_limit || !text.starts_with(scheme))
    return fail(Code::invalid, "SPIFFE ID: must be spiffe://TRUST-DOMAIN/PATH, up to 2048 bytes");
  text.remove_prefix(scheme.size());
  const std::string_view domain = text.substr(0, text.find('/'));
  if (domain.empty() || domain.size() > trust_domain_limit ||
      !std::all_of(domain.begin(), domain.end(), is_trust_domain_character))
    return fail(Code::invalid, "SPIFFE ID: malformed trust domain");
  const std::string_view path = text.substr(domain.size());
  if (!is_path(path)) return fail(Code::invalid, "SPIFFE ID: malformed path");
  return SpiffeId{std::string(domain), std::string(path)};
}

}  // namespace keyward::identity
