#pragma once
// Keeps the token fresh: one thread, which asks before the token ends and puts the new one into the
// slot, where every client sees it at once.  The wall clock may be set meanwhile: the life is
// counted by one that nobody can set.
//
// A token that the gateway refuses, or whose life has ended while the gateway was away, is no way
// to another one: then the source is asked, where it can give one.  Where it cannot, that is said
// once on the log, and once when it is over; nothing needs a restart.
//
// The token file is looked at all the while: a token that somebody puts there is refreshed at once,
// and the one before serves on where the gateway refuses it.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.hpp"
#include "identity/token/slot.hpp"
#include "identity/token/source.hpp"
#include "identity/token/transport.hpp"

namespace keyward::identity {

struct RefresherDeps {
  TokenSlot& slot;  // holds a token; outlives the refresher, as the others do
  RefreshTransport& transport;
  const Clock& clock;          // what the times in a token are compared with
  const MonotonicClock& boot;  // what its life is counted by
  const TokenFile* file =
      nullptr;  // may be null: where the new token is kept, and a replaced one is noticed
  const ServiceAccountFile* service_account =
      nullptr;  // may be null: exchanged anew where the token is refused or has expired
};

class Refresher {
 public:
  explicit Refresher(RefresherDeps deps);
  Refresher(const Refresher&) = delete;
  Refresher& operator=(const Refresher&) = delete;
  ~Refresher() = default;  // stops the thread: waits for the call that is under way

  // Refreshes at once, in the caller's thread; blocks while another attempt is under way.
  RpcResult<std::shared_ptr<const Token>> refresh_now();

  // Whether the held token's life is over, counted from when it was received.  Any thread.
  bool has_ended() const { return remaining() <= std::chrono::milliseconds(0); }

 private:
  enum class Health { good, failing, degraded };  // degraded: the token is refused or has expired
  struct Outcome {
    RpcResult<std::shared_ptr<const Token>> answer;
    bool refused = false;   // the gateway takes the held token no more
    bool replaced = false;  // the slot has a token from the file, which was not refused
  };

  struct Held {
    std::shared_ptr<const Token> token;
    BootTime end;
    std::string refresh_id;
  };

  void run(const std::stop_token& stop);
  bool is_due(const std::stop_token& stop);
  bool replacement_waits();
  RpcResult<std::shared_ptr<const Token>> attempt();
  Outcome renew();
  RpcResult<std::shared_ptr<const Token>> ask();
  RpcResult<std::shared_ptr<const Token>> exchange();
  RpcResult<> check_answer(const Token& token, const std::string& to) const;
  void accept(const std::shared_ptr<const Token>& token);
  void keep(const Token& token);
  std::shared_ptr<const Token> replacement() const;
  std::shared_ptr<const Token> new_replacement() const;
  bool take(const std::shared_ptr<const Token>& replaced);
  bool take_back();
  void note_failure(const Outcome& outcome);
  void note_degraded(const RpcError& error, bool refused) const;
  void note_recovery() const;
  std::string_view remedy() const;
  void hold(const std::shared_ptr<const Token>& token, std::chrono::milliseconds life);
  std::chrono::milliseconds remaining() const;

  RefresherDeps deps_;
  std::atomic<BootTime> end_;  // of the held token's life
  std::mutex attempt_mutex_;   // one attempt at a time; guards what follows
  std::string refresh_id_;     // of the refresh that has not been answered yet
  std::string seen_in_file_;   // the fingerprint of what was last taken from there or put there
  Held before_;  // what a token from the file replaced, until that one has proved good
  Health health_ = Health::good;
  unsigned failures_ = 0;

  std::mutex due_mutex_;  // guards what follows
  std::condition_variable_any due_changed_;
  BootTime due_;

  std::jthread thread_;  // last: the others outlive it
};

}  // namespace keyward::identity
