#pragma once
// An upstream that does what a test says, byte for byte, and a name server that is a real one.

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "netproxy/tls/authority.hpp"
#include "tests/netproxy/peer.hpp"

namespace keyward::netproxy {

// One thread per connection; the script gets the connection's number, from 0.  The connection ends
// when the script returns.
class ScriptedOrigin {
 public:
  using Script = std::function<void(Peer&, int)>;
  // `authority` null: no TLS.
  ScriptedOrigin(CertificateAuthority* authority, std::uint16_t port, Script script);
  ~ScriptedOrigin();
  ScriptedOrigin(const ScriptedOrigin&) = delete;
  ScriptedOrigin& operator=(const ScriptedOrigin&) = delete;
  int connections() const { return connections_; }

 private:
  void accept_all();

  CertificateAuthority* authority_;
  Script script_;
  UniqueFd listener_;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> sessions_;
  std::jthread acceptor_;
};

// Debian's dnsmasq on 127.0.0.1:53, with these options.
class NameServer {
 public:
  explicit NameServer(std::vector<std::string> options);
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

 private:
  int pid_ = -1;
};

}  // namespace keyward::netproxy
