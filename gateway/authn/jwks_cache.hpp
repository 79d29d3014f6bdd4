#pragma once
// The public keys of another issuer, kept.  Whoever asks for a key that is here and fresh never
// waits; no more than one thread at a time waits for the issuer, and bogus key ids make it be asked
// no more often than `pause` allows.  An issuer that is down keeps the keys that it had.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/snapshot.hpp"
#include "identity/jwt/jwks.hpp"

namespace keyward::gateway {

struct IssuerKeys {
  std::string issuer;  // as tokens name it in `iss`
  identity::JwkSet keys;
};

struct JwksTimes {
  std::chrono::seconds life{3600};    // after which keys are fetched again
  std::chrono::seconds pause{10};     // between two attempts, good or bad
  std::chrono::seconds unknown{300};  // for how long a key id that was not found is not looked for
};

class JwksCache {
 public:
  using Fetch = std::function<Result<IssuerKeys>()>;  // blocks up to its own deadline
  explicit JwksCache(Fetch fetch, JwksTimes times = {}) : fetch_(std::move(fetch)), times_(times) {}

  // Code::unavailable: there are none yet, and the issuer does not give any now.
  Result<std::shared_ptr<const IssuerKeys>> keys(TimePoint now);
  // None: the issuer has no such key.
  Result<std::optional<PublicKey>> find(std::string_view kid, TimePoint now);

 private:
  struct Held {
    IssuerKeys document;
    TimePoint fetched;
  };
  bool is_fresh(const Held& held, TimePoint now) const;
  bool may_ask(TimePoint now) const;
  bool refresh(TimePoint now);
  bool was_looked_for(std::string_view kid, TimePoint now) const;
  void note_unknown(std::string_view kid, TimePoint now);

  const Fetch fetch_;
  const JwksTimes times_;
  Snapshot<Held> held_;  // null: never fetched

  std::mutex asking_;  // taken by who asks the issuer; nobody waits for it.  Guards what follows.
  std::optional<TimePoint> asked_;
  std::map<std::string, TimePoint, std::less<>> unknown_;
};

}  // namespace keyward::gateway
