#pragma once
// One non-blocking stream socket, plain or TLS.  Knows OpenSSL and nothing of an event loop: every
// call tries, and says what to wait for.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

enum class Io {
  ok,
  want_read,
  want_write,
  end,     // the peer has finished sending: FIN, and for TLS its close_notify
  failed,  // see error(); for TLS this includes a FIN without close_notify (truncation)
};

class Transport {
 public:
  explicit Transport(int socket) : link_{socket} {}  // does not own the descriptor
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  // From now on the bytes are TLS; `ssl` is in its accept or connect state.
  void start_tls(SslPtr ssl);
  Io handshake();

  // Reads as much as fits and is there; `count` > 0 exactly when the answer is ok.
  Io read(std::span<char> into, std::size_t& count);
  // Takes bytes to send: all of them unless an earlier send still blocks (want_write).  TLS records
  // collect until flush().
  Io write(std::string_view bytes, std::size_t& count);
  Io flush();
  Io finish();  // no more bytes from us: close_notify and FIN

  // To be called after the event loop reported the socket readable.
  void set_readable() { link_.readable = true; }
  // False: a read would only say want_read, so no buffer is needed yet.
  bool may_read() const;
  // An idle connection that should have nothing to say: true while only TLS housekeeping arrives.
  bool idle_and_open();
  bool secure() const { return ssl_ != nullptr; }
  ssl_st* ssl() const { return ssl_.get(); }
  const std::string& error() const { return error_; }

  // What the BIO works on.
  struct Link {
    int socket = -1;
    bool readable = true;  // false after a short read: the next recv would only say EAGAIN
    bool ended = false;
    std::string out{};     // encrypted bytes that the socket has not taken yet
    std::size_t sent = 0;  // of `out`
  };

 private:
  Io read_plain(std::span<char> into, std::size_t& count);
  Io translate(int result);

  Link link_;
  SslPtr ssl_;
  std::string error_;
  bool over_ = false;  // TLS has met its end, or an error
};

}  // namespace keyward::netproxy
