#pragma once
// How often each caller may call: a token bucket a key, in bounded memory.

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"

namespace keyward::gateway {

struct Rate {
  double per_second = 0;  // 0: no limit
  double burst = 0;       // how many at once, after a pause
};

class RateLimiter {
 public:
  // Beyond `keys_limit` keys the one that was seen least recently is forgotten, and so begins anew
  // with a full bucket.
  explicit RateLimiter(Rate rate, std::size_t keys_limit = 65'536)
      : rate_(rate), keys_limit_(keys_limit) {}

  // Takes one of the key's calls; false: there is none left.  Any thread.  A clock that goes back
  // gives nothing and takes nothing.
  bool allow(std::string_view key, TimePoint now);

 private:
  struct Bucket {
    std::string key;
    double left = 0;
    TimePoint seen;
  };
  Bucket& bucket_of(std::string_view key, TimePoint now);

  const Rate rate_;
  const std::size_t keys_limit_;
  std::mutex mutex_;
  std::list<Bucket> buckets_;  // the last seen one first
  std::unordered_map<std::string_view, std::list<Bucket>::iterator> by_key_;  // views into buckets_
};

// How often may be called: by each sandbox and user, and without a valid token by each source
// address.
struct CallLimits {
  RateLimiter principals, sources;
};

}  // namespace keyward::gateway
