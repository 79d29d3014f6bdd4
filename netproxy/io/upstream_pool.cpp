#include "netproxy/io/upstream_pool.hpp"

namespace keyward::netproxy {

UpstreamPool::UpstreamPool(Loop& loop, std::chrono::seconds max_idle)
    : loop_(loop), max_idle_(max_idle) {
  loop_.on_tick([this] { drop_old(); });
  loop_.on_drain([this] {
    idle_.clear();
    count_ = 0;
  });
}

UpstreamPtr UpstreamPool::take(const std::string& key, PoolUse use) {
  if (use == PoolUse::none) return nullptr;
  const auto found = idle_.find(key);
  if (found == idle_.end()) return nullptr;
  while (!found->second.empty()) {
    UpstreamPtr connection = std::move(found->second.back());
    found->second.pop_back();
    --count_;
    Stream& stream = connection->stream;
    // Readable may mean a session ticket; data or an end means that it cannot be used.
    const bool taken_as_open = use == PoolUse::quick && stream.is_quiet();
    if (!taken_as_open && !stream.transport().idle_and_open()) continue;
    connection->reused = true;
    return connection;
  }
  return nullptr;
}

void UpstreamPool::give(UpstreamPtr connection) {
  auto& waiting = idle_[connection->key];
  if (loop_.draining() || waiting.size() >= per_key || count_ >= overall) return;
  connection->idle_since = loop_.now();
  connection->stream.expire_in(2 * max_idle_);
  waiting.push_back(std::move(connection));
  ++count_;
}

void UpstreamPool::drop_old() {
  const SteadyTime oldest = loop_.now() - max_idle_;
  for (auto entry = idle_.begin(); entry != idle_.end();) {
    auto& waiting = entry->second;
    while (!waiting.empty() && waiting.front()->idle_since < oldest) {
      waiting.pop_front();
      --count_;
    }
    entry = waiting.empty() ? idle_.erase(entry) : std::next(entry);
  }
}

}  // namespace keyward::netproxy
