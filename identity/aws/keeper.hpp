#pragma once
// Keeps keys fresh: one thread, which asks before they end.  Until others are there, those that are
// held serve on to their end.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "identity/aws/keys.hpp"

namespace keyward::identity {

struct KeeperDeps {
  std::function<Result<AwsKeys>()> fetch;  // on the keeper's thread, but for the first time
  Snapshot<AwsKeyState>& state;            // where readers look
  const Clock& clock;
  std::chrono::milliseconds margin{0};  // how long before their end keys must have been replaced
  std::function<void(bool succeeded)> told;
};

class KeyKeeper {
 public:
  // Fetches once before it returns; a failure is in the state, and tried again.
  explicit KeyKeeper(KeeperDeps deps);
  KeyKeeper(const KeyKeeper&) = delete;
  KeyKeeper& operator=(const KeyKeeper&) = delete;
  ~KeyKeeper() = default;  // waits for a call that is under way

 private:
  std::chrono::milliseconds renew();  // how long to wait then
  void keep(AwsKeys keys);
  void note_failure(const Error& error);

  KeeperDeps deps_;
  unsigned failures_ = 0;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;  // last: the others outlive it
};

}  // namespace keyward::identity
