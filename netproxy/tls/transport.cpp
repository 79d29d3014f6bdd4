#include "netproxy/tls/transport.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/result.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t out_capacity = std::size_t{72} * 1024;  // 64 KiB of content as records
constexpr std::size_t out_limit = 4 * out_capacity;  // a peer that provokes answers and reads none
constexpr std::size_t spare_limit = 64;

// Encrypted bytes wait in strings that idle connections give back.
std::vector<std::string>& spares() {
  thread_local std::vector<std::string> list;
  return list;
}

void take_spare(std::string& out) {
  if (out.capacity() >= out_capacity) return;
  if (spares().empty()) {
    out.reserve(out_capacity);
    return;
  }
  out = std::move(spares().back());
  spares().pop_back();
}

void give_spare(std::string& out) {
  out.clear();
  if (out.capacity() == out_capacity && spares().size() < spare_limit)
    spares().push_back(std::move(out));
  out = std::string();
}

// Maps recv's answer; shared by the BIO and plain sockets.
ssize_t receive(Transport::Link& link, char* into, std::size_t size) {
  const ssize_t got = ::recv(link.socket, into, size, 0);
  if (got == 0) link.ended = true;
  // A short read empties the socket; after the end the flag stays, so that nobody waits for more.
  if (got < 0 || (got > 0 && static_cast<std::size_t>(got) < size)) link.readable = link.ended;
  return got;
}

int link_read(BIO* bio, char* into, int size) {
  auto* link = static_cast<Transport::Link*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (!link->readable) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const ssize_t got = receive(*link, into, static_cast<std::size_t>(size));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

int link_write(BIO* bio, const char* bytes, int size) {
  auto* link = static_cast<Transport::Link*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (link->out.size() > out_limit) return -1;
  if (link->out.empty()) take_spare(link->out);
  link->out.append(bytes, static_cast<std::size_t>(size));
  return size;
}

long link_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF)
    return static_cast<Transport::Link*>(BIO_get_data(bio))->ended ? 1 : 0;
  return 0;
}

BIO_METHOD* link_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keyward link");
    BIO_meth_set_read(made, link_read);
    BIO_meth_set_write(made, link_write);
    BIO_meth_set_ctrl(made, link_control);
    return made;
  }();
  return method;
}

}  // namespace

Transport::~Transport() {
  give_spare(link_.out);
  // Otherwise SSL_free would mark the session, which others may resume by now, as not resumable.
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1)
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void Transport::start_tls(SslPtr ssl) {
  ssl_ = std::move(ssl);
  BIO* bio = BIO_new(link_method());
  BIO_set_data(bio, &link_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

Io Transport::translate(int result) {
  const int reason = SSL_get_error(ssl_.get(), result);
  if (reason == SSL_ERROR_WANT_READ) return Io::want_read;
  if (reason == SSL_ERROR_WANT_WRITE) return Io::want_write;
  if (reason == SSL_ERROR_ZERO_RETURN) return Io::end;
  if (reason == SSL_ERROR_SSL)
    error_ = take_openssl_error();
  else
    error_ = link_.ended ? "the connection ended without close_notify" : "the connection broke";
  return Io::failed;
}

Io Transport::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const Io state = result == 1 ? Io::ok : translate(result);
  // The flight that was just made leaves first; an alert too.
  const Io flushed = flush();
  if (state == Io::failed || flushed == Io::ok) return state;
  return flushed;
}

Io Transport::read_plain(std::span<char> into, std::size_t& count) {
  if (!link_.readable) return Io::want_read;
  const ssize_t got = receive(link_, into.data(), into.size());
  if (got == 0) return Io::end;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Io::want_read;
  if (got < 0) {
    error_ = fail_errno("recv").value().what;
    return Io::failed;
  }
  count = static_cast<std::size_t>(got);
  return Io::ok;
}

Io Transport::read(std::span<char> into, std::size_t& count) {
  count = 0;
  if (!ssl_) return read_plain(into, count);
  while (count < into.size()) {
    ERR_clear_error();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + count, into.size() - count, &got);
    if (result != 1) {
      const Io state = translate(result);
      over_ = over_ || state == Io::end || state == Io::failed;
      // A peer that takes nothing more may have answered before it stopped: whoever writes learns
      // of that, the reader reads on to the end.
      if (link_.out.size() > link_.sent) (void)flush();
      // What has arrived is handed over first; the next call meets the same end again.
      return count > 0 ? Io::ok : state;
    }
    count += got;
    if (SSL_has_pending(ssl_.get()) == 0 && !link_.readable) break;
  }
  return Io::ok;
}

Io Transport::write(std::string_view bytes, std::size_t& count) {
  count = 0;
  if (!ssl_) {
    const ssize_t sent = ::send(link_.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return Io::want_write;
    if (sent < 0) {
      error_ = fail_errno("send").value().what;
      return Io::failed;
    }
    count = static_cast<std::size_t>(sent);
    return Io::ok;
  }
  if (link_.out.size() >= out_capacity / 2) {
    const Io flushed = flush();
    if (flushed != Io::ok) return flushed;
  }
  const std::size_t size = std::min(bytes.size(), std::size_t{64} * 1024);
  while (count < size) {
    ERR_clear_error();
    std::size_t taken = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data() + count, size - count, &taken);
    if (result != 1) return count > 0 ? Io::ok : translate(result);
    count += taken;
  }
  return Io::ok;
}

Io Transport::flush() {
  while (link_.sent < link_.out.size()) {
    const ssize_t sent = ::send(link_.socket, link_.out.data() + link_.sent,
                                link_.out.size() - link_.sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return Io::want_write;
    if (sent < 0) {
      error_ = fail_errno("send").value().what;
      return Io::failed;
    }
    link_.sent += static_cast<std::size_t>(sent);
  }
  link_.sent = 0;
  if (link_.out.capacity() > 0) give_spare(link_.out);
  return Io::ok;
}

Io Transport::finish() {
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    const Io flushed = flush();
    if (flushed != Io::ok) return flushed;
  }
  ::shutdown(link_.socket, SHUT_WR);
  return Io::ok;
}

bool Transport::may_read() const {
  return link_.readable || over_ || (ssl_ && SSL_has_pending(ssl_.get()) == 1);
}

bool Transport::idle_and_open() {
  char byte = 0;
  std::size_t count = 0;
  link_.readable = true;
  return read({&byte, 1}, count) == Io::want_read;
}

}  // namespace keyward::netproxy
