// The one spelling of hosts and paths on which decisions are taken (netproxy/policy/policy.hpp).

#include <algorithm>

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"
#include "netproxy/policy/policy.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t max_host = 253, max_label = 63;  // RFC 1035 section 2.3.4

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > max_label || label.front() == '-' || label.back() == '-')
    return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';  // '_' occurs in service names
  });
}

// inet_aton would read these as addresses: a name that ends in a number is none (WHATWG URL, "ends
// in a number").
bool looks_numeric(std::string_view label) {
  const bool hexadecimal = label.starts_with("0x") &&
                           label.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
  return hexadecimal || label.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<std::string> refuse_path(std::string_view why) {
  return fail(Code::invalid, "path: " + std::string(why));
}

// Control bytes, backslashes and raw non-ASCII have no single meaning among servers.
bool is_path_character(char c) {
  return c > 0x20 && c < 0x7f && c != '\\' && c != '"' && c != '<' && c != '>' && c != '#';
}

std::vector<std::string_view> split_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  for (;;) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// RFC 3986 section 5.2.4, but an underflow is an error, and so is an empty segment other than the
// last.
Result<std::string> resolve_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  const auto segments = split_segments(path.substr(1));
  bool directory = false;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view segment = segments[i];
    const bool last = i + 1 == segments.size();
    directory = last && (segment.empty() || segment == "." || segment == "..");
    if (segment == ".." && kept.empty()) return refuse_path("`..` leads above the root");
    if (segment == "..")
      kept.pop_back();
    else if (segment.empty() && !last)
      return refuse_path("empty segment (`//`)");
    else if (segment != "." && !segment.empty())
      kept.push_back(segment);
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (directory || out.empty()) out += '/';
  return out;
}

}  // namespace

Result<std::string> canonical_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    TRY_ASSIGN(const Address address, parse_address(host.substr(1, host.size() - 2)));
    if (!address.v6) return fail(Code::invalid, "host: brackets are for IPv6 addresses");
    return to_string(address);
  }
  std::string name = lower(host);
  if (name.ends_with('.')) name.pop_back();
  if (name.find(':') != std::string::npos) {
    TRY_ASSIGN(const Address address, parse_address(name));
    return to_string(address);
  }
  if (name.empty() || name.size() > max_host)
    return fail(Code::invalid, "host: empty or longer than 253 characters");
  const std::string_view last =
      std::string_view(name).substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
  if (looks_numeric(last)) {
    TRY_ASSIGN(const Address address, parse_address(name));
    return to_string(address);
  }
  for (std::string_view rest = name;;) {
    const auto dot = rest.find('.');
    if (!is_label(rest.substr(0, dot))) return fail(Code::invalid, "host: not a host name");
    if (dot == std::string_view::npos) return name;
    rest.remove_prefix(dot + 1);
  }
}

Result<std::string> canonical_path(std::string_view raw, PathRules rules,
                                   bool allow_encoded_slash) {
  if (raw.empty()) return std::string("/");
  if (raw[0] != '/') return refuse_path("must begin with /");
  if (rules == PathRules::s3_verbatim) {
    TRY_ASSIGN(const std::string key, percent_decode(raw));
    return percent_encode(key, Slash::keep);
  }
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (!is_path_character(raw[i])) return refuse_path("character that must be percent-encoded");
    if (raw[i] != '%') {
      out += raw[i];
      continue;
    }
    TRY_ASSIGN(const std::string byte, percent_decode(raw.substr(i, 3)));
    const char c = byte[0];
    if (is_control(c) || c == '\\') return refuse_path("encoded control byte or backslash");
    if (c == '/' && !allow_encoded_slash)
      return refuse_path("encoded slash (%2F); allow_encoded_slash of the endpoint may allow it");
    out += is_unreserved(c) ? byte : percent_encode(byte, Slash::encode);
    i += 2;
  }
  return resolve_dots(out);
}

bool is_s3_family(std::string_view service) {
  return service == "s3" || service == "s3express" || service == "s3-outposts" ||
         service == "s3-object-lambda";
}

}  // namespace keyward::netproxy
