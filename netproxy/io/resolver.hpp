#pragma once
// Names to addresses: host aliases, then the hosts file's text, then DNS by c-ares in the loop.
// Search domains are never used: the name that the policy matched is the name that is asked.

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "netproxy/io/loop.hpp"
#include "netproxy/io/proxy.hpp"

struct ares_channeldata;

namespace keyward::netproxy {

// The servers of a resolv.conf text in order, as c-ares wants them ("1.2.3.4,[::1]"); empty when it
// names none.
std::string name_servers(std::string_view resolv_conf);
// Name (lower case) to addresses of a hosts file's text.  Lines that are not understood are
// skipped.
std::multimap<std::string, Address> read_hosts(std::string_view hosts);

class Resolver {
 public:
  static Result<std::unique_ptr<Resolver>> create(Loop& loop, const ProxySettings& settings);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // Never an empty list.  `host` is canonical; a literal is its own answer.  Errors:
  // Code::not_found (the name does not exist), Code::timeout, Code::unavailable (no server).
  Task<Result<std::vector<Address>>> resolve(std::string host);

 private:
  struct Query;
  struct Watched;
  using Side = Readiness::Side;
  struct Cached {
    std::vector<Address> addresses;
    SteadyTime expires;
  };
  explicit Resolver(Loop& loop) : loop_(loop) {}
  Result<> start(const ProxySettings& settings);
  void watch(int socket, bool readable, bool writable);
  Task<> pump(std::shared_ptr<Watched> watched, Side side);
  void remember(const std::string& host, const Query& query);

  Loop& loop_;
  ares_channeldata* channel_ = nullptr;
  bool has_servers_ = false;
  std::multimap<std::string, Address> known_;
  std::unordered_map<std::string, Cached> cache_;
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
};

}  // namespace keyward::netproxy
