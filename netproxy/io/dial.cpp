#include "netproxy/io/dial.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace keyward::netproxy {
namespace {

constexpr std::chrono::milliseconds shortest_attempt{500};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress to_socket_address(const Address& address, std::uint16_t port) {
  SocketAddress out;
  if (address.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
    out.size = sizeof *v6;
    return out;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  std::memcpy(&v4->sin_addr, address.bytes.data(), 4);
  out.size = sizeof *v4;
  return out;
}

int pending_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Task<Result<UpstreamPtr>> connect_to(Loop& loop, SocketAddress to, std::chrono::milliseconds time) {
  const int family = to.storage.ss_family;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) co_return fail_errno("socket");
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* address = reinterpret_cast<const sockaddr*>(&to.storage);
  const bool begun = ::connect(socket.get(), address, to.size) == 0 || errno == EINPROGRESS;
  if (!begun) co_return fail_errno("connect");
  auto connection = std::make_unique<UpstreamConnection>(loop, std::move(socket));
  connection->stream.expire_in(time);
  const Result<> waited = co_await connection->stream.wait(Io::want_write);
  if (!waited) co_return tl::unexpected(waited.error());
  const int error = pending_error(connection->stream.socket());
  if (error != 0) co_return fail_errno("connect", error);
  co_return connection;
}

}  // namespace

Task<Answer<std::vector<Address>>> resolve_and_guard(Worker& worker, const Route& route) {
  Result<std::vector<Address>> resolved = co_await worker.resolver->resolve(route.to.host);
  if (!resolved) co_return tl::unexpected(unresolved(resolved.error()));
  for (const Address& address : *resolved)
    if (route.internal_only && classify(address) != AddressClass::internal)
      co_return tl::unexpected(prohibited_address(
          {Code::denied, route.to.host +
                             ": a token is sent in clear text to internal addresses only, and " +
                             to_string(address) + " is none"}));
  if (!route.guarded) co_return std::move(*resolved);
  for (const Address& address : *resolved) {
    const Result<> allowed =
        check_address(address, route.endpoint->allowed_ips, worker.shared.settings.own_addresses);
    if (!allowed) co_return tl::unexpected(prohibited_address(allowed.error()));
  }
  co_return std::move(*resolved);
}

Task<Answer<UpstreamPtr>> dial(Worker& worker, const Route& route) {
  Answer<std::vector<Address>> addresses = co_await resolve_and_guard(worker, route);
  if (!addresses) co_return tl::unexpected(addresses.error());
  const auto begun = std::chrono::steady_clock::now();
  const std::chrono::milliseconds budget = worker.shared.settings.limits.dial_timeout;
  Error last{Code::timeout, "connect: timed out"};
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    if (spent >= budget) break;
    // What is left is shared by the addresses that are left.
    const auto share = (budget - spent) / (addresses->size() - i);
    const SocketAddress to = to_socket_address((*addresses)[i], route.to.port);
    Result<UpstreamPtr> connection = co_await connect_to(
        worker.loop, to, std::max<std::chrono::milliseconds>(share, shortest_attempt));
    if (!connection) {
      last = connection.error();
      continue;
    }
    (*connection)->address = to_string((*addresses)[i]);
    (*connection)->key = route.key;
    co_return std::move(*connection);
  }
  co_return tl::unexpected(unreachable(last));
}

Task<Answer<UpstreamPtr>> connect_upstream(Worker& worker, const Route& route, PoolUse use) {
  UpstreamPtr pooled = worker.pool.take(route.key, use);
  if (pooled) co_return pooled;
  Answer<UpstreamPtr> dialled = co_await dial(worker, route);
  if (!dialled || !route.secure) co_return dialled;
  Stream& stream = (*dialled)->stream;
  Result<SslPtr> ssl = worker.shared.upstream_tls->new_session(route.to.host, route.key);
  if (!ssl) co_return tl::unexpected(internal_failure(ssl.error()));
  stream.expire_in(worker.shared.settings.limits.dial_timeout);
  const Result<> shaken = co_await stream.handshake(std::move(*ssl));
  if (shaken) co_return dialled;
  const std::string untrusted_because = certificate_error(stream.transport().ssl());
  if (!untrusted_because.empty()) co_return tl::unexpected(untrusted(untrusted_because));
  co_return tl::unexpected(unreachable({shaken.error().code, "tls: " + shaken.error().what}));
}

}  // namespace keyward::netproxy
