#pragma once
// One end of a connection, blocking, with or without TLS; no read or write waits longer than 20 s.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "netproxy/http/body.hpp"
#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

void limit_patience(const UniqueFd& socket);
UniqueFd dial(const char* address, std::uint16_t port);  // empty: nobody listens there

class Peer {
 public:
  explicit Peer(UniqueFd socket);
  bool connect_tls(SslPtr ssl);  // as the client
  bool accept_tls(SslPtr ssl);   // as the server
  // Up to and including `end`; what there was when the connection ended first.
  std::string read_until(std::string_view end);
  std::string read_head() { return read_until("\r\n\r\n"); }
  std::string read_to_end();
  bool write(std::string_view text);
  void finish();  // ends the sending side of the socket
  // The body that follows a head; false when the connection ends before it does.
  bool read_body(BodyFraming framing, std::string& body);
  bool ended_orderly() const;  // by close_notify

 private:
  bool read_more();

  UniqueFd socket_;
  SslPtr ssl_;
  std::string bytes_;  // read and not handed out
};

}  // namespace keyward::netproxy
