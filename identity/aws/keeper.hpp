#pragma once
// Keeps keys fresh: one thread, which asks before they end.  Until others are there, those that are
// held serve on to their end.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "identity/aws/keys.hpp"

namespace keyward::identity {

struct KeeperDeps {
  // On the keeper's thread.  `stop` is requested at the keeper's end: nobody is waited for then.
  std::function<Result<AwsKeys>(const std::stop_token& stop)> fetch;
  Snapshot<AwsKeyState>& state;  // where readers look
  const Clock& clock;
  std::chrono::milliseconds margin{0};  // how long before their end keys must have been replaced
  std::function<void(bool succeeded)> told;  // once `state` says it
  // How long the first answer is waited for; none: as long as it takes.
  std::optional<std::chrono::milliseconds> patience = std::nullopt;
};

class KeyKeeper {
 public:
  // Fetches once before it returns, if that is possible within the patience; a failure is in the
  // state, and tried again.  Until the first answer the state is null.
  explicit KeyKeeper(KeeperDeps deps);
  KeyKeeper(const KeyKeeper&) = delete;
  KeyKeeper& operator=(const KeyKeeper&) = delete;
  ~KeyKeeper() = default;  // gives up what is under way, but waits for a credential process

 private:
  void run(const std::stop_token& stop);
  std::chrono::milliseconds renew(const std::stop_token& stop);  // how long to wait then
  void keep(AwsKeys keys);
  void note_failure(const Error& error);

  KeeperDeps deps_;
  unsigned failures_ = 0;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool has_asked_ = false;  // guarded by mutex_
  std::jthread thread_;     // last: the others outlive it
};

}  // namespace keyward::identity
