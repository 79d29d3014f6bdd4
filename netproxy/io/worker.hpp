#pragma once
// What one proxy thread works with, and what all of them share.

#include <atomic>
#include <memory>

#include "netproxy/io/loop.hpp"
#include "netproxy/io/proxy.hpp"
#include "netproxy/io/resolver.hpp"
#include "netproxy/io/upstream_pool.hpp"
#include "netproxy/sigv4/signing_keys.hpp"
#include "netproxy/tls/upstream.hpp"

namespace keyward::netproxy {

struct Shared {
  ProxySettings settings;
  ProxyDeps deps;
  std::unique_ptr<UpstreamTls> upstream_tls;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> held_bytes{0};
};

struct Worker {
  explicit Worker(Shared& all) : shared(all), pool(loop, all.settings.limits.pool_idle) {}
  Shared& shared;
  Loop loop;
  std::unique_ptr<Resolver> resolver;
  UpstreamPool pool;
  SigningKeys signing_keys;
  std::size_t closed_connections = 0;  // since memory was last handed back to the system
};

}  // namespace keyward::netproxy
