#include "gateway/rpc/session_book.hpp"

#include <algorithm>

#include "base/crypto.hpp"

namespace keyward::gateway {

Result<> SessionBook::open(const Hello& hello, SessionPeer& peer, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_[hello.sandbox_id];
  const bool alive = session.peer != nullptr && now < session.heard + 2 * heartbeat;
  if (alive && session.instance_id != hello.instance_id)
    return fail(Code::conflict, "another supervisor of this sandbox holds a session");
  if (session.peer != nullptr) session.peer->superseded();
  session = {hello.instance_id, &peer, now};
  peer.accepted(random_uuid());
  for (const auto& [channel_id, pending] : pending_)
    if (pending.sandbox_id == hello.sandbox_id) peer.ask_for_relay(channel_id, pending.target);
  return {};
}

void SessionBook::heard(const Hello& hello, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto session = sessions_.find(hello.sandbox_id);
  if (session != sessions_.end() && session->second.instance_id == hello.instance_id)
    session->second.heard = now;
}

void SessionBook::close(const std::string& sandbox_id, const SessionPeer& peer) {
  const std::lock_guard lock(mutex_);
  const auto session = sessions_.find(sandbox_id);
  if (session != sessions_.end() && session->second.peer == &peer) sessions_.erase(session);
}

std::optional<std::string> SessionBook::instance_of(const std::string& sandbox_id) const {
  const std::lock_guard lock(mutex_);
  const auto session = sessions_.find(sandbox_id);
  if (session == sessions_.end()) return std::nullopt;
  return session->second.instance_id;
}

Result<SessionBook::NewRelay> SessionBook::request(const std::string& sandbox_id,
                                                   const RelayTarget& target) {
  const std::lock_guard lock(mutex_);
  const auto session = sessions_.find(sandbox_id);
  if (session == sessions_.end())
    return fail(Code::unavailable, "supervisor session not connected");
  if (count_relays("") >= relays_limit || count_relays(sandbox_id) >= relays_of_sandbox_limit)
    return fail(Code::exhausted, "too many relays at the same time");
  NewRelay made{random_uuid(), std::make_shared<Relay>()};
  pending_[made.channel_id] = {sandbox_id, target, made.relay};
  session->second.peer->ask_for_relay(made.channel_id, target);
  return made;
}

Result<std::shared_ptr<Relay>> SessionBook::claim(const std::string& channel_id,
                                                  const std::string& sandbox_id) {
  const std::lock_guard lock(mutex_);
  const auto pending = pending_.find(channel_id);
  if (pending == pending_.end() || pending->second.sandbox_id != sandbox_id)
    return fail(Code::not_found, "unknown or expired relay channel");
  auto relay = std::move(pending->second.relay);
  pending_.erase(pending);
  taken_.emplace(sandbox_id, relay);
  return relay;
}

std::size_t SessionBook::count_relays(const std::string& sandbox_id) {
  std::erase_if(taken_, [](const auto& entry) { return entry.second.expired(); });
  if (sandbox_id.empty()) return pending_.size() + taken_.size();
  const auto pending = std::count_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return entry.second.sandbox_id == sandbox_id;
  });
  return static_cast<std::size_t>(pending) + taken_.count(sandbox_id);
}

void SessionBook::drop(const std::string& channel_id, const std::string& sandbox_id,
                       const std::string& reason) {
  auto relay = claim(channel_id, sandbox_id);
  if (relay) (*relay)->fail_with(reason);
}

}  // namespace keyward::gateway
