#include "sigv4proxy/listen.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

namespace keyward::sigv4proxy {
namespace {

constexpr int backlog = 4096;

tl::unexpected<Error> wrong() {
  return fail(Code::invalid, "--listen-on: must be ADDRESS:PORT, [V6]:PORT or :PORT");
}

}  // namespace

Result<ListenAddress> parse_listen_address(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string host = colon == std::string::npos ? std::string() : text.substr(0, colon);
  const std::string digits = text.substr(colon == std::string::npos ? 0 : colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  ListenAddress where;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), where.port);
  if (error != std::errc() || end != digits.data() + digits.size() || where.port == 0)
    return wrong();
  if (host.empty()) return where;  // 0.0.0.0
  const auto address = netproxy::parse_address(host);
  if (!address || address->v6 != bracketed) return wrong();
  where.address = *address;
  return where;
}

Result<UniqueFd> listen_on(const ListenAddress& where) {
  const bool v6 = where.address.v6;
  UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (v6) {
    auto* to = reinterpret_cast<sockaddr_in6*>(&storage);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(where.port);
    std::memcpy(&to->sin6_addr, where.address.bytes.data(), 16);
    size = sizeof *to;
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&storage);
    to->sin_family = AF_INET;
    to->sin_port = htons(where.port);
    std::memcpy(&to->sin_addr, where.address.bytes.data(), 4);
    size = sizeof *to;
  }
  const std::string name = to_string(where.address) + " port " + std::to_string(where.port);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0)
    return fail_errno("cannot listen on " + name);
  if (::listen(socket.get(), backlog) != 0) return fail_errno("cannot listen on " + name);
  return socket;
}

}  // namespace keyward::sigv4proxy
