#pragma once
// The keys that sign and verify sandbox tokens, and their directory:
//
//   signing.pem        the key that signs, 0600; public.pem and kid follow from it
//   public.pem, kid    for others that verify (OpenShell's layout)
//   retired/KID.pem    public keys that signed before, retired at their file's modification time

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/snapshot.hpp"
#include "identity/jwt/keys.hpp"

namespace keyward::gateway {

struct TokenKeys {
  identity::SigningKey current;
  identity::KeySet verifying;  // the current one first
};

// Any thread: who signs or verifies takes a snapshot.
class KeyRing {
 public:
  explicit KeyRing(identity::SigningKey only);  // keys that never change
  virtual ~KeyRing() = default;
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  std::shared_ptr<const TokenKeys> keys() const { return keys_.get(); }
  // A token names a key that is not here: a rotation may just have happened.  What it finds, or
  // what somebody else has found meanwhile, is what keys() gives next.
  virtual void look_again(TimePoint) {}

 protected:
  explicit KeyRing(std::shared_ptr<const TokenKeys> keys) : keys_(std::move(keys)) {}
  Snapshot<TokenKeys> keys_;
};

class KeyDirectory final : public KeyRing {
 public:
  // A retired key verifies for `token_life` after its retirement: no token of it lives longer.
  static Result<std::unique_ptr<KeyDirectory>> open(std::string directory,
                                                    std::chrono::seconds token_life, TimePoint now);
  // Reads the directory.  An error leaves the keys as they were.  True: they are others now.
  Result<bool> reload(TimePoint now);
  void look_again(TimePoint now) override;  // at most once a second

 private:
  KeyDirectory(std::string directory, std::chrono::seconds token_life,
               std::shared_ptr<const TokenKeys> keys)
      : KeyRing(std::move(keys)), directory_(std::move(directory)), token_life_(token_life) {}

  std::string directory_;
  std::chrono::seconds token_life_;
  std::mutex mutex_;  // one reader of the directory at a time
  TimePoint looked_;
};

// One line per key of a directory, the current one first.
struct KeyInfo {
  std::string kid;
  bool current = false;
  TimePoint since;  // a retired key: when it was retired; else when its file was written
};
Result<std::vector<KeyInfo>> list_keys(const std::string& directory);

// Makes a new signing key and retires the old one.  The rename of signing.pem is the step that
// decides: before it nothing has changed, after it the old key is among the retired ones already.
// Forgets keys that were retired longer ago than any token can live.  Returns the new kid.
Result<std::string> rotate_keys(const std::string& directory, TimePoint now);

}  // namespace keyward::gateway
