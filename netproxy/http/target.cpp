#include "netproxy/http/target.hpp"

#include <charconv>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end || port == 0 || port > 65'535 || text.size() > 5)
    return fail(Code::invalid, "http: malformed port");
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Result<Authority> parse_authority(std::string_view text) {
  if (text.find('@') != std::string_view::npos)
    return fail(Code::invalid, "http: user information in an authority");
  std::size_t host_end = text.find(':');
  Authority authority;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos)
      return fail(Code::invalid, "http: malformed IPv6 authority");
    authority.host = text.substr(1, bracket - 1);
    if (authority.host.find(':') == std::string::npos)
      return fail(Code::invalid, "http: malformed IPv6 authority");
    host_end = bracket + 1;
  } else {
    authority.host = text.substr(0, host_end);
  }
  if (authority.host.empty()) return fail(Code::invalid, "http: empty host");
  if (host_end >= text.size()) return authority;
  if (text[host_end] != ':') return fail(Code::invalid, "http: malformed authority");
  TRY_ASSIGN(authority.port, parse_port(text.substr(host_end + 1)));
  return authority;
}

Result<AbsoluteTarget> parse_absolute_target(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0)
    return fail(Code::invalid, "http: the target is no absolute URL");
  AbsoluteTarget target;
  target.scheme = lower(text.substr(0, scheme_end));
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t path = rest.find_first_of("/?");
  target.authority = rest.substr(0, path);
  if (target.authority.empty()) return fail(Code::invalid, "http: the target names no host");
  target.target = path == std::string_view::npos ? "/" : rest.substr(path);
  if (target.target[0] == '?') target.target.insert(0, "/");
  return target;
}

std::string format_authority(std::string_view host, std::uint16_t port,
                             std::uint16_t default_port) {
  std::string text(host);
  if (host.find(':') != std::string_view::npos) text = "[" + text + "]";
  if (port != default_port) text.append(":").append(std::to_string(port));
  return text;
}

}  // namespace keyward::netproxy
