#pragma once
// From a decided destination to a connection: the host that was matched is the host that is
// resolved, every address is checked, and a checked address is dialled.

#include <string>
#include <vector>

#include "netproxy/io/refusal.hpp"
#include "netproxy/io/worker.hpp"

namespace keyward::netproxy {

struct Route {
  Destination to;
  bool secure = true;                  // TLS to the upstream
  const Endpoint* endpoint = nullptr;  // whose allowed_ips hold; lives as long as the policy
  bool guarded = true;  // false: the operator named the host, so any address of it may be dialled
  std::string key;      // for the pool and for TLS resumption
  bool internal_only = false;  // something that is granted goes there in clear text
};

// All of the host's addresses, each allowed.  One that is not refuses the host as a whole: its DNS
// is not to be trusted.
Task<Answer<std::vector<Address>>> resolve_and_guard(Worker& worker, const Route& route);

// A connection to one of the addresses, without TLS, within the dial timeout.
Task<Answer<UpstreamPtr>> dial(Worker& worker, const Route& route);

// A pooled connection that `use` allows, or a new one, TLS included.
Task<Answer<UpstreamPtr>> connect_upstream(Worker& worker, const Route& route, PoolUse use);

}  // namespace keyward::netproxy
