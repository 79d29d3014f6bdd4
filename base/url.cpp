#include "base/url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward {
namespace {

constexpr std::size_t url_limit = 2048, host_limit = 253;  // bytes

tl::unexpected<Error> bad_url() {
  return fail(Code::invalid, "must be https://HOST[:PORT][/PATH] or http://…");
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= host_limit &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

bool is_target(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\';
  });
}

Result<> read_port(std::string_view text, std::uint16_t& port) {
  if (text.empty()) return {};
  if (text[0] != ':') return bad_url();
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + 1, end, port);
  if (error != std::errc() || stop != end || port == 0) return bad_url();
  return {};
}

Result<> read_authority(std::string_view text, Url& url) {
  url.v6 = text.starts_with('[');
  const auto end = url.v6 ? text.find(']') : text.find(':');
  if (url.v6 && end == std::string_view::npos) return bad_url();
  url.host = lower(url.v6 ? text.substr(1, end - 1) : text.substr(0, end));
  if (end != std::string_view::npos) TRY(read_port(text.substr(end + (url.v6 ? 1 : 0)), url.port));
  in6_addr address{};
  const bool good =
      url.v6 ? ::inet_pton(AF_INET6, url.host.c_str(), &address) == 1 : is_name(url.host);
  return good ? Result<>() : bad_url();
}

}  // namespace

std::string Url::authority() const {
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (text.size() > url_limit || (!url.tls && !text.starts_with("http://"))) return bad_url();
  url.port = url.tls ? 443 : 80;
  text.remove_prefix(url.tls ? 8 : 7);
  const auto path = text.find_first_of("/?#");
  TRY(read_authority(text.substr(0, path), url));
  if (path == std::string_view::npos) {
    url.target = "/";
    return url;
  }
  url.target = std::string(text.substr(path));
  if (url.target[0] != '/' || !is_target(url.target)) return bad_url();
  return url;
}

bool is_v4_literal(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_loopback(const Url& url) {
  if (!url.v6)
    return url.host == "localhost" || (is_v4_literal(url.host) && url.host.starts_with("127."));
  in6_addr address{};
  return ::inet_pton(AF_INET6, url.host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

}  // namespace keyward
