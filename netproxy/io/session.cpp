#include "netproxy/io/session.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "netproxy/http/head_parser.hpp"
#include "netproxy/http/target.hpp"
#include "netproxy/io/inject.hpp"
#include "netproxy/io/tunnel.hpp"
#include "netproxy/tls/authority.hpp"
#include "netproxy/tls/listener.hpp"

// The life of a connection, in the order in which it happens: accept (proxy.cpp) -> read_connect ->
// decide -> resolve_and_guard -> terminate_tls -> for each request: read_head -> decide ->
// inject -> bind_credentials -> sign -> forward_body -> relay_response -> audit (request.cpp,
// relay.cpp).

namespace keyward::netproxy {
namespace {

std::uint16_t port_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return 0;
}

struct Ports {
  std::uint16_t client = 0, proxy = 0;
};

Ports connection_ports(int socket) {
  sockaddr_storage peer{}, own{};
  socklen_t peer_size = sizeof peer, own_size = sizeof own;
  ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_size);
  return {port_of(peer), port_of(own)};
}

}  // namespace

Session::Session(Worker& worker, UniqueFd socket)
    : worker_(worker), client_(worker.loop, std::move(socket)) {}

Task<> Session::serve() {
  const Result<> opened = co_await open_listener_tls();
  if (opened) co_await serve_requests();
}

Task<Result<>> Session::open_listener_tls() {
  if (worker_.shared.deps.listener_tls == nullptr) co_return Result<>{};
  client_.expire_in(limits().head_timeout);
  Result<SslPtr> ssl = worker_.shared.deps.listener_tls->accept();
  if (!ssl) co_return tl::unexpected(ssl.error());
  origin_.secure = true;
  co_return co_await client_.handshake(std::move(*ssl));
}

// Requests one after another, until one side has had enough.
Task<> Session::serve_requests() {
  std::chrono::seconds patience = limits().head_timeout;
  for (;;) {
    const HeadRead read = co_await read_head(patience);
    if (read.state != HeadState::complete) {
      co_await refuse_head(read);
      co_return;
    }
    patience = limits().idle_timeout;
    Result<RequestHead> request = parse_request_head(inbox_.view().substr(0, read.size));
    inbox_.consume(read.size);
    if (!request) {
      Exchange exchange;
      Problem problem = bad_request(request.error());
      co_await refuse(exchange, std::move(problem), false);
      co_return;
    }
    const bool reverse = worker_.shared.deps.gate != nullptr;
    if (request->method == "CONNECT" && !origin_.tunnel && !reverse) {
      co_await serve_connect(std::move(*request));
      co_return;
    }
    const bool again = co_await serve_request(std::move(*request));
    if (!again || worker_.loop.draining()) break;
  }
  co_await linger();
}

Task<Session::HeadRead> Session::read_head(std::chrono::seconds first_byte_within) {
  client_.expire_in(first_byte_within);
  std::size_t looked_at = 0;
  for (bool begun = false;;) {
    const std::size_t size = head_length(inbox_.view(), looked_at);
    if (size > limits().max_head_bytes) co_return HeadRead{HeadState::too_large, 0};
    if (size > 0) co_return HeadRead{HeadState::complete, size};
    looked_at = inbox_.view().size();
    if (inbox_.full() || looked_at > limits().max_head_bytes)
      co_return HeadRead{HeadState::too_large, 0};
    // One deadline for the whole head: a byte now and then does not extend it.
    if (!begun && !inbox_.empty()) {
      begun = true;
      client_.expire_in(limits().head_timeout);
    }
    client_.set_idle(!begun);
    const Result<std::size_t> got = co_await inbox_.fill(client_);
    client_.set_idle(false);
    if (!got) co_return HeadRead{client_.expired() ? HeadState::timed_out : HeadState::broken, 0};
    if (*got == 0) co_return HeadRead{HeadState::closed, 0};
  }
}

Task<bool> Session::refuse_head(HeadRead read) {
  const bool says_why =
      read.state == HeadState::too_large || (read.state == HeadState::timed_out && !inbox_.empty());
  if (!says_why) co_return false;
  Exchange exchange;
  Problem problem = read.state == HeadState::too_large ? head_too_large() : head_timeout();
  co_await refuse(exchange, std::move(problem), false);
  co_return false;
}

void Session::identify_client(const Policy* policy) {
  if (identified_ || policy == nullptr || !policy->needs_executables()) return;
  identified_ = true;
  const Ports ports = connection_ports(client_.socket());
  auto found = worker_.shared.deps.client_identity.executables(ports.client, ports.proxy);
  if (found) origin_.executables = std::move(*found);  // else none: rules for programs do not match
}

Answer<Verdict> Session::read_connect(const RequestHead& request, Exchange& exchange) {
  exchange.asked_method = "CONNECT";
  const auto authority = parse_authority(request.target);
  if (!authority) return tl::unexpected(bad_request(authority.error()));
  auto host = canonical_host(authority->host);
  if (!host) return tl::unexpected(bad_request(host.error()));
  if (authority->port == 0)
    return tl::unexpected(bad_request({Code::invalid, "http: CONNECT without a port"}));
  exchange.route.to = {std::move(*host), authority->port};
  exchange.route.secure = false;
  // Nobody can send into a tunnel that is not open: such bytes are meant for another reader.
  if (!inbox_.empty())
    return tl::unexpected(bad_request({Code::invalid, "http: bytes before the tunnel is open"}));
  Verdict verdict = decide_tunnel(exchange);
  if (!verdict.allowed || verdict.endpoint == nullptr) return tl::unexpected(denied(verdict, true));
  if (!verdict.inspect)
    if (const auto free = check_unopened(worker_, exchange.route.to); !free)
      return tl::unexpected(free.error());
  return verdict;
}

Verdict Session::decide_tunnel(const Exchange& exchange) const {
  if (exchange.policy)
    return exchange.policy->decide_connect(exchange.route.to, origin_.executables);
  Verdict verdict;
  verdict.denial = Denial::no_policy;
  verdict.detail = "no policy has been loaded yet";
  return verdict;
}

Task<> Session::serve_connect(RequestHead request) {
  Exchange exchange;
  exchange.policy = worker_.shared.deps.policy.get();
  identify_client(exchange.policy.get());
  Answer<Verdict> verdict = read_connect(request, exchange);
  exchange.request = std::move(request);
  if (!verdict) {
    co_await refuse(exchange, verdict.error(), false);
    co_return;
  }
  exchange.verdict = std::move(*verdict);
  exchange.route.endpoint = exchange.verdict.endpoint;
  if (!exchange.verdict.inspect) {
    Answer<> relayed = co_await relay_opaque(exchange);
    if (!relayed) co_await refuse(exchange, relayed.error(), false);
    co_return;
  }
  Answer<std::vector<Address>> addresses = co_await resolve_and_guard(worker_, exchange.route);
  if (!addresses) {
    co_await refuse(exchange, addresses.error(), false);
    co_return;
  }
  origin_.tunnel = exchange.route.to;
  const Result<> opened =
      co_await client_.write(std::string_view("HTTP/1.1 200 Connection Established\r\n\r\n"));
  if (!opened) co_return;
  Answer<> understood = co_await detect_protocol(exchange.route.to.host);
  if (understood) {
    co_await serve_requests();
    co_return;
  }
  exchange.answered = 200;  // to the CONNECT; there is no language to say more in
  audit(exchange, &understood.error().problem());
}

// TLS is opened, plain HTTP is read as it is, anything else ends here.
Task<Answer<>> Session::detect_protocol(const std::string& host) {
  client_.expire_in(limits().head_timeout);
  char first = 0;
  for (;;) {
    const ssize_t got = ::recv(client_.socket(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 1) break;
    Result<> waited = fail(Code::io, "the client has closed the connection");
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      waited = co_await client_.wait(Io::want_read);
    if (!waited)
      co_return tl::unexpected(client_left({Code::io, "nothing was sent into the tunnel"}));
  }
  constexpr char tls_handshake_record = 22;  // RFC 8446 section 5.1
  if (first == tls_handshake_record) co_return co_await terminate_tls(host);
  if (first >= 'A' && first <= 'Z') co_return Answer<>{};
  co_return tl::unexpected(
      bad_request({Code::unsupported, "the tunnel carries neither TLS nor HTTP/1.1"}));
}

Task<Answer<>> Session::terminate_tls(const std::string& host) {
  Result<SslPtr> ssl = worker_.shared.deps.authority.new_session(host);
  if (!ssl) co_return tl::unexpected(internal_failure(ssl.error()));
  origin_.secure = true;
  const Result<> shaken = co_await client_.handshake(std::move(*ssl));
  if (shaken) co_return Answer<>{};
  co_return tl::unexpected(client_left({Code::io, "TLS with the client: " + shaken.error().what}));
}

Task<Answer<>> Session::relay_opaque(Exchange& exchange) {
  Answer<UpstreamPtr> upstream = co_await dial(worker_, exchange.route);
  if (!upstream) co_return tl::unexpected(upstream.error());
  exchange.event.address = (*upstream)->address;
  exchange.answered = 200;
  const Result<> opened =
      co_await client_.write(std::string_view("HTTP/1.1 200 Connection Established\r\n\r\n"));
  if (opened) {
    const TunnelBytes bytes =
        co_await relay_tunnel(client_, (*upstream)->stream, limits().idle_timeout);
    exchange.event.bytes_up = bytes.up;
    exchange.event.bytes_down = bytes.down;
  }
  audit(exchange, nullptr);
  co_return Answer<>{};
}

}  // namespace keyward::netproxy
