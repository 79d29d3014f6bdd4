#include "tests/netproxy/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <utility>

namespace keyward::netproxy {

void limit_patience(const UniqueFd& socket) {
  const timeval patience{20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

UniqueFd dial(const char* address, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_patience(socket);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return {};
  return socket;
}

Peer::Peer(UniqueFd socket) : socket_(std::move(socket)) {
  limit_patience(socket_);
  const int on = 1;  // what is written must not wait for the acknowledgement of a session ticket
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool Peer::connect_tls(SslPtr ssl) {
  ssl_ = std::move(ssl);
  SSL_set_fd(ssl_.get(), socket_.get());
  return SSL_connect(ssl_.get()) == 1;
}

bool Peer::accept_tls(SslPtr ssl) {
  ssl_ = std::move(ssl);
  SSL_set_fd(ssl_.get(), socket_.get());
  return SSL_accept(ssl_.get()) == 1;
}

bool Peer::read_more() {
  std::array<char, 16384> part{};
  const ssize_t got = ssl_ ? SSL_read(ssl_.get(), part.data(), part.size())
                           : ::recv(socket_.get(), part.data(), part.size(), 0);
  if (got > 0) bytes_.append(part.data(), static_cast<std::size_t>(got));
  return got > 0;
}

std::string Peer::read_until(std::string_view end) {
  std::size_t at = 0;
  while ((at = bytes_.find(end)) == std::string::npos)
    if (!read_more()) return std::exchange(bytes_, {});
  std::string taken = bytes_.substr(0, at + end.size());
  bytes_.erase(0, at + end.size());
  return taken;
}

std::string Peer::read_to_end() {
  while (read_more()) {
  }
  return std::exchange(bytes_, {});
}

bool Peer::write(std::string_view text) {
  while (!text.empty()) {  // one record at a time: partial writes are on
    const ssize_t sent = ssl_ ? SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()))
                              : ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Peer::read_body(BodyFraming framing, std::string& body) {
  for (;;) {
    const auto taken = framing.take(bytes_);
    if (!taken) return false;
    body.append(bytes_, 0, *taken);
    bytes_.erase(0, *taken);
    if (framing.done()) return true;
    if (!read_more()) return false;
  }
}

bool Peer::ended_orderly() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void Peer::finish() { ::shutdown(socket_.get(), SHUT_WR); }

}  // namespace keyward::netproxy
