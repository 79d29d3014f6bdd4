#include "gateway/authn/rate_limiter.hpp"

#include <algorithm>
#include <chrono>

namespace keyward::gateway {

RateLimiter::Bucket& RateLimiter::bucket_of(std::string_view key, TimePoint now) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
    return buckets_.front();
  }
  if (buckets_.size() >= keys_limit_) {
    by_key_.erase(buckets_.back().key);
    buckets_.pop_back();
  }
  buckets_.push_front({std::string(key), rate_.burst, now});
  by_key_.emplace(buckets_.front().key, buckets_.begin());
  return buckets_.front();
}

bool RateLimiter::allow(std::string_view key, TimePoint now) {
  if (rate_.per_second <= 0) return true;
  const std::lock_guard lock(mutex_);
  Bucket& bucket = bucket_of(key, now);
  const std::chrono::duration<double> passed = now - bucket.seen;
  bucket.left =
      std::min(rate_.burst, bucket.left + std::max(0.0, passed.count()) * rate_.per_second);
  bucket.seen = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

}  // namespace keyward::gateway
