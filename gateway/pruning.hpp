#pragma once
// Forgets the tokens that have ended, now and then.  Not where the wall clock was set since the
// last time: by a clock that is wrong, tokens that live would go.

#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {

class Pruning {
 public:
  Pruning(Store& store, const Clock& wall, const MonotonicClock& boot)  // they outlive this
      : store_(store), wall_(wall), boot_(boot), offset_(offset()) {}

  // False: the clock was set, or the store could not.
  bool turn() {
    const auto before = std::exchange(offset_, offset());
    if (std::chrono::abs(offset_ - before) > drift) {
      log::warn("clock_was_set", {{"effect", "ended tokens are not forgotten this time"}});
      return false;
    }
    const Result<> pruned = store_.prune(wall_.now());
    if (!pruned) log::error("prune_failed", {{"detail", pruned.error().what}});
    return pruned.has_value();
  }

 private:
  static constexpr std::chrono::seconds drift{5};  // between two turns, by itself or by NTP

  std::chrono::milliseconds offset() const {
    return wall_.now().time_since_epoch() - boot_.now().time_since_epoch();
  }

  Store& store_;
  const Clock& wall_;
  const MonotonicClock& boot_;
  std::chrono::milliseconds offset_;
};

}  // namespace keyward::gateway
