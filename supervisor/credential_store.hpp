#pragma once
// The keys that the proxy signs with: those that were delivered, by a gateway or a file, and those
// that this supervisor gets itself.

#include <memory>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "base/snapshot.hpp"
#include "netproxy/credentials.hpp"

namespace keyward::supervisor {

// Any thread.
class CredentialStore {
 public:
  // In place of all that were delivered before.
  void deliver(netproxy::Credentials credentials);
  // Of one's own: in place of those of the same provider.
  void keep(netproxy::BoundAwsCredentials own);
  // Derived keys end without anybody's help.
  void drop_old_keys(TimePoint now);

  // Null: nothing has been delivered or kept yet.
  std::shared_ptr<const netproxy::Credentials> get() const { return shown_.get(); }
  const Snapshot<netproxy::Credentials>& shown() const { return shown_; }

 private:
  // With the lock held.
  void note_other(const std::string& provider) const;  // one that was delivered under that name
  void show();

  std::mutex mutex_;  // guards the two
  netproxy::Credentials delivered_, own_;
  Snapshot<netproxy::Credentials> shown_;
};

}  // namespace keyward::supervisor
