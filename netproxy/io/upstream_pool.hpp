#pragma once
// Upstream connections that wait for their next request, per thread.

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "netproxy/io/inbox.hpp"
#include "netproxy/io/stream.hpp"

namespace keyward::netproxy {

struct UpstreamConnection {
  UpstreamConnection(Loop& loop, UniqueFd socket) : stream(loop, std::move(socket)) {}
  Stream stream;
  Inbox inbox;
  std::string key;      // who may use it: see UpstreamPool
  std::string address;  // dialled, for audit
  SteadyTime idle_since{};
  bool reused =
      false;  // it has carried a request before: a failure may only mean that it was stale
};
using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

enum class PoolUse {
  none,     // a fresh connection
  checked,  // one whose socket has been looked at just now
  quick,    // one of which the loop has seen no end: for a request that can be sent twice
};

// A connection is found again only by the same host, port, scheme, endpoint and policy: what was
// checked for it holds for the next request.
class UpstreamPool {
 public:
  static constexpr std::chrono::seconds usual_idle{60};
  explicit UpstreamPool(Loop& loop, std::chrono::seconds max_idle = usual_idle);
  // The most recently used one that is still open, as far as `use` asks, or null.
  UpstreamPtr take(const std::string& key, PoolUse use);
  void give(UpstreamPtr connection);

  static constexpr std::size_t per_key = 64, overall = 512;

 private:
  void drop_old();

  Loop& loop_;
  std::chrono::seconds max_idle_;
  std::unordered_map<std::string, std::list<UpstreamPtr>> idle_;
  std::size_t count_ = 0;
};

}  // namespace keyward::netproxy
