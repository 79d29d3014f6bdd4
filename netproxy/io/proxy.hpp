#pragma once
// The in-process proxy: N threads, each with its own event loop, accepting on one listening socket
// that lives in the sandbox's network namespace.  The life of a request is told in
// netproxy/io/session.cpp.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/snapshot.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/audit/sink.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/guard/address.hpp"
#include "netproxy/injection.hpp"
#include "netproxy/policy/policy.hpp"

namespace keyward::netproxy {

class CertificateAuthority;  // netproxy/tls/authority.hpp
class ListenerTls;           // netproxy/tls/listener.hpp
class RequestGate;           // netproxy/io/gate.hpp

// Names the program behind a client connection.  Called on a proxy thread, so it must not block for
// long.
class ClientIdentity {
 public:
  virtual ~ClientIdentity() = default;
  // The executable and its ancestors, nearest first; ports are those of the TCP connection inside
  // the sandbox.
  virtual Result<std::vector<std::string>> executables(std::uint16_t client_port,
                                                       std::uint16_t proxy_port) = 0;
};

struct ProxyLimits {
  std::size_t max_connections =
      4096;  // client connections of one sandbox; more are refused with 503
  std::size_t max_head_bytes = 65'536;                  // request and response heads
  std::size_t max_held_bytes = std::size_t{256} << 20;  // of all bodies that are held, see gate.hpp
  std::chrono::seconds head_timeout{10};                // a head that has begun must end within
  std::chrono::seconds idle_timeout{
      300};  // kept-alive connection without a request; tunnels without bytes
  std::chrono::seconds dial_timeout{10};       // per upstream, all addresses together
  std::chrono::seconds upstream_timeout{300};  // silence of an upstream that owes an answer
  std::chrono::seconds pool_idle{60};  // an upstream connection that waits for its next request
};

struct ProxySettings {
  unsigned threads = 2;
  ProxyLimits limits;
  std::string resolv_conf, hosts;  // contents, read before the child exists
  std::vector<std::pair<std::string, Address>> host_aliases;  // --host-alias, supervisor side only
  std::string trust_store_pem;                                // CA certificates for upstreams
  bool verify_upstreams = true;        // false: any certificate is taken (sigv4-proxy only)
  std::vector<Address> own_addresses;  // never dialled
};

// What the proxy uses and does not own.  All of it outlives the proxy.
struct ProxyDeps {
  const Snapshot<Policy>& policy;  // null value: everything is denied
  const Snapshot<Credentials>& credentials;
  const Placeholder& placeholder;
  CertificateAuthority& authority;
  AuditSink& audit;
  ClientIdentity& client_identity;
  const Clock& clock;
  TokenSource* tokens = nullptr;        // null: no token grants
  RequestGate* gate = nullptr;          // decides instead of the policy: a reverse proxy
  ListenerTls* listener_tls = nullptr;  // clients speak TLS to the proxy itself
};

class Proxy {
 public:
  // Takes the listening socket; starts the threads.  Errors: unusable trust store, resolver or
  // listener.
  static Result<std::unique_ptr<Proxy>> start(UniqueFd listener, ProxySettings settings,
                                              ProxyDeps deps);
  virtual ~Proxy() = default;  // stops accepting, closes every connection, joins the threads
  // No connection is accepted any more, requests under way end, idle connections are closed.
  virtual void drain() = 0;
  virtual std::size_t active_connections() const = 0;
};

}  // namespace keyward::netproxy
