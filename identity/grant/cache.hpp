#pragma once
// Granted tokens that are held, requests for them that are under way, and failures that are not to
// be repeated yet.  Pure: time and chance come in as parameters.  Not for several threads: its
// owner holds a lock, never across I/O.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::identity {

struct CacheRules {
  std::chrono::seconds longest{3600};  // no token is used longer, whatever the answer says
  std::chrono::seconds skew{30};   // unused at the end of a life; a tenth of it where that is less
  std::chrono::seconds least{10};  // a shorter life is not held, but for `between`
  std::chrono::milliseconds between{1'000};  // two questions whose answers are not held
  std::chrono::seconds first_pause{1}, longest_pause{60};  // after failures in a row, doubling
  std::chrono::seconds invalidation_pause{30};             // between two invalidations of one key
  std::size_t entries = 256, bytes = std::size_t{1} << 20;
};

struct GrantedKeys {
  netproxy::AwsCredentials pair;
  TimePoint expires;  // as who gave them says
};

// What a grant has given: a token, or keys to sign with.
struct Granted {
  Secret token;
  std::shared_ptr<const GrantedKeys> keys;  // null: a token
};

struct HeldToken : Granted {
  BootTime refresh, expires;  // to be renewed from then on; not used from then on
};
using HeldTokenPtr = std::shared_ptr<const HeldToken>;

// A time, and chance: random in [0, 1), drawn anew each time.
struct Draw {
  BootTime time;
  double chance = 0.5;
};

// What a token's life allows.
struct TokenLife {
  std::chrono::seconds answered{0};  // by the server
  std::chrono::seconds limit{0};     // by the grant; 0: none
  bool in_full = false;              // also beyond CacheRules::longest
};

class GrantCache {
 public:
  explicit GrantCache(CacheRules rules = CacheRules()) : rules_(rules) {}

  // One request to a server, which its owner ends by succeeded() or failed().
  struct Flight {
    std::string key;
    std::uint64_t number = 0;
  };
  struct Look {
    HeldTokenPtr token;           // to be used, also where a flight begins
    std::optional<Flight> begin;  // the caller is to ask, and nobody else is
    bool under_way = false;       // somebody else is asking
    std::optional<Error> failed;  // not to be asked again yet
  };
  Look look(const std::string& key, BootTime now);

  // What may be used now, without a flight; null: nothing.
  HeldTokenPtr held(const std::string& key, BootTime now) const;

  // For how long after the question.
  std::chrono::milliseconds usable_life(const TokenLife& life) const;

  // `asked`: when the request began, which is what a life counts from.  What is returned is for
  // those who wait, also where its life is too short to be held; null: the key was withdrawn
  // meanwhile.
  HeldTokenPtr succeeded(const Flight& flight, Granted granted, const TokenLife& life,
                         const Draw& asked);
  // `pause` 0: the usual back-off, by the number of failures in a row.
  void failed(const Flight& flight, Error error, std::chrono::seconds pause, const Draw& now);

  // The upstream refused this token: it is dropped, so that the next look begins a flight.  False
  // where it is not held any more, or another one was dropped shortly before.
  bool invalidate(const std::string& key, const HeldToken& token, BootTime now);
  // Forgets all other keys; their flights end without effect.
  void keep_only(const std::set<std::string>& keys);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    HeldTokenPtr token;
    std::uint64_t flight = 0;  // 0: none
    std::optional<Error> error;
    BootTime next_attempt;
    std::optional<BootTime> invalidated;
    unsigned failures = 0;
    std::uint64_t used = 0;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  Entry* entry_of(const Flight& flight);
  void evict(const std::string& except);
  static std::size_t size_of(const Entries::value_type& entry);

  const CacheRules rules_;
  Entries entries_;
  std::uint64_t turn_ = 0;  // of uses and flights
};

}  // namespace keyward::identity
