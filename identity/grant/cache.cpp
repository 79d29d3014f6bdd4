#include "identity/grant/cache.hpp"

#include <algorithm>

namespace keyward::identity {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double refresh_part = 0.8, refresh_spread = 0.1, pause_spread = 0.2;

milliseconds scaled(milliseconds time, double factor) {
  return milliseconds(static_cast<std::int64_t>(static_cast<double>(time.count()) * factor));
}

// From 1 - spread to 1 + spread.
double around_one(double spread, double chance) { return 1 - spread + 2 * spread * chance; }

milliseconds pause_after(unsigned failures, const CacheRules& rules) {
  const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0, 16U);
  return std::min<milliseconds>(rules.first_pause * (1U << doublings), rules.longest_pause);
}

std::size_t bytes_of(const Granted& granted) {
  if (!granted.keys) return granted.token.size();
  const netproxy::AwsCredentials& pair = granted.keys->pair;
  return sizeof(GrantedKeys) + pair.access_key_id.size() + pair.secret_access_key.size() +
         pair.session_token.size();
}

}  // namespace

GrantCache::Look GrantCache::look(const std::string& key, BootTime now) {
  Entry& entry = entries_[key];
  entry.used = ++turn_;
  Look result;
  if (entry.token && now < entry.token->expires)
    result.token = entry.token;
  else
    entry.token.reset();
  result.under_way = entry.flight != 0;
  const bool due = !result.token || now >= result.token->refresh;
  if (result.under_way || !due) return result;
  if (entry.error && now < entry.next_attempt) {
    if (!result.token) result.failed = entry.error;
    return result;
  }
  entry.flight = ++turn_;
  result.begin = Flight{key, entry.flight};
  evict(key);
  return result;
}

HeldTokenPtr GrantCache::held(const std::string& key, BootTime now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.token || now >= found->second.token->expires)
    return nullptr;
  return found->second.token;
}

GrantCache::Entry* GrantCache::entry_of(const Flight& flight) {
  const auto found = entries_.find(flight.key);
  return found == entries_.end() || found->second.flight != flight.number ? nullptr
                                                                          : &found->second;
}

milliseconds GrantCache::usable_life(const TokenLife& life) const {
  seconds stated = life.in_full ? life.answered : std::min(life.answered, rules_.longest);
  if (life.limit.count() > 0) stated = std::min(stated, life.limit);
  return stated - std::min<milliseconds>(rules_.skew, milliseconds(stated) / 10);
}

HeldTokenPtr GrantCache::succeeded(const Flight& flight, Granted granted, const TokenLife& life,
                                   const Draw& asked) {
  Entry* entry = entry_of(flight);
  if (entry == nullptr) return nullptr;
  milliseconds usable = usable_life(life);
  milliseconds renewed = scaled(usable, refresh_part * around_one(refresh_spread, asked.chance));
  // Whoever makes requests must not make a question of each.
  if (life.answered < rules_.least) renewed = usable = std::min(usable, rules_.between);
  auto held = std::make_shared<const HeldToken>(
      HeldToken{{std::move(granted)}, asked.time + renewed, asked.time + usable});
  entry->flight = 0;
  entry->failures = 0;
  entry->error.reset();
  entry->token = held;
  evict(flight.key);
  return held;
}

void GrantCache::failed(const Flight& flight, Error error, seconds pause, const Draw& now) {
  Entry* entry = entry_of(flight);
  if (entry == nullptr) return;
  entry->flight = 0;
  ++entry->failures;
  entry->error = std::move(error);
  const milliseconds base =
      pause.count() > 0 ? milliseconds(pause) : pause_after(entry->failures, rules_);
  entry->next_attempt = now.time + scaled(base, around_one(pause_spread, now.chance));
}

bool GrantCache::invalidate(const std::string& key, const HeldToken& token, BootTime now) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.token.get() != &token) return false;
  Entry& entry = found->second;
  if (entry.invalidated && now < *entry.invalidated + rules_.invalidation_pause) return false;
  entry.invalidated = now;
  entry.token.reset();
  return true;
}

void GrantCache::keep_only(const std::set<std::string>& keys) {
  std::erase_if(entries_, [&](const auto& each) { return !keys.contains(each.first); });
}

std::size_t GrantCache::size_of(const Entries::value_type& entry) {
  const std::size_t granted = entry.second.token ? bytes_of(*entry.second.token) : 0;
  return entry.first.size() + sizeof(Entry) + granted;
}

// The least recently used goes first, and what is under way stays.
void GrantCache::evict(const std::string& except) {
  std::size_t bytes = 0;
  for (const auto& entry : entries_) bytes += size_of(entry);
  while (entries_.size() > rules_.entries || bytes > rules_.bytes) {
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at)
      if (at->second.flight == 0 && at->first != except &&
          (oldest == entries_.end() || at->second.used < oldest->second.used))
        oldest = at;
    if (oldest == entries_.end()) return;
    bytes -= size_of(*oldest);
    entries_.erase(oldest);
  }
}

}  // namespace keyward::identity
