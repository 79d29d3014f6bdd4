#pragma once
// The supervisors that hold a session with this gateway, and the connections that are relayed
// through them.  Any thread.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gateway/rpc/relay.hpp"

namespace keyward::gateway {

struct RelayTarget {
  std::string host;  // of the sandbox's own loopback
  std::uint16_t port = 0;
  std::string service_id;  // for the records only
};

// The gateway's end of a session.  Called with the book's lock: must not call back, nor wait.
class SessionPeer {
 public:
  virtual ~SessionPeer() = default;
  virtual void accepted(const std::string& session_id) = 0;  // before everything else
  virtual void ask_for_relay(const std::string& channel_id, const RelayTarget& target) = 0;
  virtual void superseded() = 0;  // by a newer session of the same instance
};

class SessionBook {
 public:
  static constexpr std::chrono::seconds heartbeat{15};
  static constexpr std::size_t relays_limit = 256, relays_of_sandbox_limit = 32;  // at a time

  struct Hello {
    std::string sandbox_id, instance_id;
  };
  // `peer` is told that it is accepted, and is asked for each relay that nobody has taken yet: an
  // earlier session may not have had the question.  The same instance takes its old session over;
  // another one is refused (Code::conflict) while the old one is heard of: whoever stole a token
  // gets no relays.  `peer` stays until close().
  Result<> open(const Hello& hello, SessionPeer& peer, TimePoint now);
  void heard(const Hello& hello, TimePoint now);
  void close(const std::string& sandbox_id, const SessionPeer& peer);
  std::optional<std::string> instance_of(const std::string& sandbox_id) const;

  struct NewRelay {
    std::string channel_id;
    std::shared_ptr<Relay> relay;
  };
  // Asks the sandbox's supervisor.  Code::unavailable: it has no session here; Code::exhausted.
  Result<NewRelay> request(const std::string& sandbox_id, const RelayTarget& target);
  // The supervisor's end, once.  One text for a channel that is unknown and another sandbox's.
  Result<std::shared_ptr<Relay>> claim(const std::string& channel_id,
                                       const std::string& sandbox_id);
  // The supervisor cannot reach the target; or nobody waits any more.
  void drop(const std::string& channel_id, const std::string& sandbox_id,
            const std::string& reason);

 private:
  struct Session {
    std::string instance_id;
    SessionPeer* peer = nullptr;
    TimePoint heard;
  };
  struct Pending {
    std::string sandbox_id;
    RelayTarget target;
    std::shared_ptr<Relay> relay;
  };
  // Of the sandbox; all of them where it is empty.
  std::size_t count_relays(const std::string& sandbox_id);
  mutable std::mutex mutex_;
  std::map<std::string, Session> sessions_;                 // by sandbox
  std::map<std::string, Pending> pending_;                  // by channel
  std::multimap<std::string, std::weak_ptr<Relay>> taken_;  // by sandbox
};

}  // namespace keyward::gateway
