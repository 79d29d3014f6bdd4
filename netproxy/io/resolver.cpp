#include "netproxy/io/resolver.hpp"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t cache_limit = 1024;
constexpr std::chrono::seconds shortest_ttl{5}, longest_ttl{300};
constexpr std::size_t max_addresses = 16;

// The words of a line before a comment.
std::vector<std::string> words(const std::string& line) {
  std::istringstream text(line.substr(0, line.find_first_of("#;")));
  std::vector<std::string> found;
  for (std::string word; text >> word;) found.push_back(word);
  return found;
}

Address to_address(const ares_addrinfo_node& node) {
  Address address;
  address.v6 = node.ai_family == AF_INET6;
  if (address.v6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(node.ai_addr);
    std::memcpy(address.bytes.data(), &v6->sin6_addr, 16);
  } else {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(node.ai_addr);
    std::memcpy(address.bytes.data(), &v4->sin_addr, 4);
  }
  return address;
}

tl::unexpected<Error> fail_ares(int status, const std::string& host) {
  const std::string what = "dns: " + host + ": " + ares_strerror(status);
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA) return fail(Code::not_found, what);
  if (status == ARES_ETIMEOUT) return fail(Code::timeout, what);
  return fail(Code::unavailable, what);
}

}  // namespace

std::string name_servers(std::string_view resolv_conf) {
  std::istringstream lines{std::string(resolv_conf)};
  std::string servers;
  for (std::string line; std::getline(lines, line);) {
    const auto found = words(line);
    if (found.size() < 2 || found[0] != "nameserver") continue;
    const auto address = parse_address(found[1]);
    if (!address) continue;
    servers += (servers.empty() ? "" : ",") + (address->v6 ? "[" + found[1] + "]" : found[1]);
  }
  return servers;
}

std::multimap<std::string, Address> read_hosts(std::string_view hosts) {
  std::istringstream lines{std::string(hosts)};
  std::multimap<std::string, Address> known;
  for (std::string line; std::getline(lines, line);) {
    const auto found = words(line);
    if (found.size() < 2) continue;
    const auto address = parse_address(found[0]);
    if (!address) continue;
    for (std::size_t i = 1; i < found.size(); ++i) known.emplace(lower(found[i]), *address);
  }
  return known;
}

struct Resolver::Query {
  explicit Query(Loop& loop) : done(loop) {}
  Event done;
  int status = ARES_ENODATA;
  std::vector<Address> addresses;
  int ttl = 0;

  static void finished(void* self, int status, int, ares_addrinfo* result) {
    auto* query = static_cast<Query*>(self);
    query->status = status;
    query->ttl = static_cast<int>(longest_ttl.count());
    for (const ares_addrinfo_node* node = result ? result->nodes : nullptr; node;
         node = node->ai_next) {
      query->ttl = std::min(query->ttl, node->ai_ttl);
      if (query->addresses.size() < max_addresses) query->addresses.push_back(to_address(*node));
    }
    if (result != nullptr) ares_freeaddrinfo(result);
    query->done.set();
  }
};

// A socket of c-ares: not ours to close.
struct Resolver::Watched {
  struct Way {
    bool wanted = false;  // by c-ares
    bool pumped = false;  // a pump is there
  };
  Watched(Loop& loop, int number)
      : socket(number), readiness(std::make_unique<Readiness>(loop, number)) {}
  int socket;
  std::unique_ptr<Readiness> readiness;  // until c-ares closes the socket
  Way reading, writing;
};

Result<std::unique_ptr<Resolver>> Resolver::create(Loop& loop, const ProxySettings& settings) {
  std::unique_ptr<Resolver> resolver(new Resolver(loop));
  TRY(resolver->start(settings));
  return resolver;
}

Result<> Resolver::start(const ProxySettings& settings) {
  known_ = read_hosts(settings.hosts);
  for (const auto& [name, address] : settings.host_aliases) known_.erase(lower(name));
  for (const auto& [name, address] : settings.host_aliases) known_.emplace(lower(name), address);

  ares_options options{};
  char lookups[] = "b", none[] = "/dev/null";
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  options.timeout = 2000;
  options.tries = 2;
  options.lookups = lookups;
  options.resolvconf_path = none;
  options.sock_state_cb = [](void* self, int socket, int readable, int writable) {
    static_cast<Resolver*>(self)->watch(socket, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  const int status =
      ares_init_options(&channel_, &options,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                            ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF);
  if (status != ARES_SUCCESS)
    return fail(Code::internal, std::string("dns: ") + ares_strerror(status));
  const std::string servers = name_servers(settings.resolv_conf);
  has_servers_ = !servers.empty();
  if (has_servers_ && ares_set_servers_ports_csv(channel_, servers.c_str()) != ARES_SUCCESS)
    return fail(Code::invalid, "dns: the servers of resolv.conf cannot be used: " + servers);
  loop_.on_tick([this] { ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD); });
  loop_.on_stop([this] { ares_cancel(channel_); });
  return {};
}

Resolver::~Resolver() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

void Resolver::watch(int socket, bool readable, bool writable) {
  const auto known = watched_.find(socket);
  if (!readable && !writable) {
    if (known == watched_.end()) return;
    // Wakes the pumps and leaves epoll before c-ares closes the socket.
    known->second->readiness.reset();
    watched_.erase(known);
    return;
  }
  std::shared_ptr<Watched>& watched = watched_[socket];
  if (!watched) watched = std::make_shared<Watched>(loop_, socket);
  watched->reading.wanted = readable;
  watched->writing.wanted = writable;
  for (const Side side : {Side::reading, Side::writing}) {
    Watched::Way& way = side == Side::reading ? watched->reading : watched->writing;
    if (way.wanted && !std::exchange(way.pumped, true)) loop_.spawn(pump(watched, side));
  }
}

Task<> Resolver::pump(std::shared_ptr<Watched> watched, Side side) {
  const bool reads = side == Side::reading;
  Watched::Way& way = reads ? watched->reading : watched->writing;
  while (way.wanted && watched->readiness) {
    watched->readiness->report_again();  // c-ares may have left something
    const bool reported = co_await watched->readiness->wait(side);
    if (!reported) break;
    ares_process_fd(channel_, reads ? watched->socket : ARES_SOCKET_BAD,
                    reads ? ARES_SOCKET_BAD : watched->socket);
  }
  way.pumped = false;
}

void Resolver::remember(const std::string& host, const Query& query) {
  if (cache_.size() >= cache_limit) cache_.clear();
  const auto ttl = std::clamp(std::chrono::seconds(query.ttl), shortest_ttl, longest_ttl);
  cache_[host] = Cached{query.addresses, loop_.now() + ttl};
}

Task<Result<std::vector<Address>>> Resolver::resolve(std::string host) {
  using Addresses = std::vector<Address>;
  const auto literal = parse_address(host);
  if (literal) co_return Addresses{*literal};
  Addresses fixed;
  for (auto [entry, end] = known_.equal_range(host); entry != end; ++entry)
    fixed.push_back(entry->second);
  if (!fixed.empty()) co_return fixed;
  const auto cached = cache_.find(host);
  if (cached != cache_.end() && loop_.now() < cached->second.expires)
    co_return cached->second.addresses;
  if (!has_servers_) co_return fail(Code::unavailable, "dns: no name server is configured");
  if (loop_.stopping()) co_return fail(Code::unavailable, "dns: shutting down");

  Query query(loop_);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, Query::finished, &query);
  co_await query.done.wait();
  if (query.status != ARES_SUCCESS) co_return fail_ares(query.status, host);
  if (query.addresses.empty()) co_return fail_ares(ARES_ENODATA, host);
  remember(host, query);
  co_return query.addresses;
}

}  // namespace keyward::netproxy
