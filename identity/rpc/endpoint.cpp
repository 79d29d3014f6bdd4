#include "identity/rpc/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/bytes.hpp"

namespace keyward::identity {
namespace {

constexpr const char* variable = "OPENSHELL_ENDPOINT";

struct Authority {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  bool v6 = false;
};

tl::unexpected<Error> bad_url() {
  return fail(Code::invalid,
              std::string(variable) + ": must be https://HOST:PORT (or http://127.0.0.1:PORT)");
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

Result<Authority> parse_authority(std::string_view text, std::uint16_t default_port) {
  Authority authority;
  authority.port = default_port;
  authority.v6 = text.starts_with('[');
  const auto end = authority.v6 ? text.find(']') : text.find(':');
  if (authority.v6 && end == std::string_view::npos) return bad_url();
  authority.host = lower(authority.v6 ? text.substr(1, end - 1) : text.substr(0, end));
  std::string_view rest = end == std::string_view::npos ? std::string_view()
                                                        : text.substr(end + (authority.v6 ? 1 : 0));
  if (!rest.empty()) {
    if (rest[0] != ':') return bad_url();
    rest.remove_prefix(1);
    const auto [stop, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), authority.port);
    if (error != std::errc() || stop != rest.data() + rest.size() || authority.port == 0)
      return bad_url();
  }
  in6_addr address{};
  const bool good = authority.v6 ? ::inet_pton(AF_INET6, authority.host.c_str(), &address) == 1
                                 : is_name(authority.host);
  if (!good) return bad_url();
  return authority;
}

bool is_v4(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_loopback(const Authority& authority) {
  if (!authority.v6) return is_v4(authority.host) && authority.host.starts_with("127.");
  in6_addr address{};
  return ::inet_pton(AF_INET6, authority.host.c_str(), &address) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&address);
}

std::string target_of(const Authority& authority) {
  const std::string port = ":" + std::to_string(authority.port);
  if (authority.v6) return "ipv6:[" + authority.host + "]" + port;
  return (is_v4(authority.host) ? "ipv4:" : "dns:") + authority.host + port;
}

Result<> check_tls_files(const GatewayEndpoint& endpoint) {
  if (endpoint.ca_pem.empty())
    return fail(Code::invalid,
                "OPENSHELL_TLS_CA: must name the gateway's CA certificate; no other authority is "
                "trusted");
  if (endpoint.client_cert_pem.empty() != endpoint.client_key_pem.empty())
    return fail(Code::invalid, "OPENSHELL_TLS_CERT and OPENSHELL_TLS_KEY: set both or neither");
  return {};
}

}  // namespace

Result<GatewayTarget> gateway_target(const GatewayEndpoint& endpoint) {
  std::string_view rest = endpoint.url;
  GatewayTarget target;
  target.tls = rest.starts_with("https://");
  if (!target.tls && !rest.starts_with("http://")) return bad_url();
  rest.remove_prefix(target.tls ? 8 : 7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  TRY_ASSIGN(Authority authority, parse_authority(rest, target.tls ? 443 : 80));
  if (target.tls) {
    TRY(check_tls_files(endpoint));
  } else {
    if (authority.host == "localhost") authority.host = "127.0.0.1";
    if (!is_loopback(authority))
      return fail(Code::denied,
                  std::string(variable) + ": " + endpoint.url +
                      " would send the token in clear text; use https:// and OPENSHELL_TLS_CA");
  }
  target.target = target_of(authority);
  return target;
}

}  // namespace keyward::identity
