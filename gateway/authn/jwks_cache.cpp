#include "gateway/authn/jwks_cache.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

constexpr std::size_t unknown_limit = 1024;  // key ids

std::optional<PublicKey> key_in(const IssuerKeys& document, std::string_view kid) {
  const auto found = std::find_if(document.keys.begin(), document.keys.end(),
                                  [&](const identity::Jwk& each) { return each.kid == kid; });
  return found == document.keys.end() ? std::nullopt : std::optional(found->key);
}

// A clock that was set back counts as time that has passed.
bool has_passed(TimePoint since, std::chrono::seconds duration, TimePoint now) {
  return now < since || now >= since + duration;
}

}  // namespace

bool JwksCache::is_fresh(const Held& held, TimePoint now) const {
  return !has_passed(held.fetched, times_.life, now);
}

bool JwksCache::may_ask(TimePoint now) const {
  return !asked_ || has_passed(*asked_, times_.pause, now);
}

bool JwksCache::refresh(TimePoint now) {
  asked_ = now;
  Result<IssuerKeys> fetched = fetch_();
  if (!fetched) return false;
  held_.set(std::make_shared<const Held>(Held{std::move(*fetched), now}));
  return true;
}

bool JwksCache::was_looked_for(std::string_view kid, TimePoint now) const {
  const auto found = unknown_.find(kid);
  return found != unknown_.end() && !has_passed(found->second, times_.unknown, now);
}

void JwksCache::note_unknown(std::string_view kid, TimePoint now) {
  if (unknown_.size() >= unknown_limit) unknown_.clear();  // the pause still holds
  unknown_.insert_or_assign(std::string(kid), now);
}

Result<std::shared_ptr<const IssuerKeys>> JwksCache::keys(TimePoint now) {
  auto held = held_.get();
  if (!held || !is_fresh(*held, now)) {
    if (const std::unique_lock asking(asking_, std::try_to_lock); asking && may_ask(now))
      (void)refresh(now);  // what there was stays
    held = held_.get();
  }
  if (!held) return fail(Code::unavailable, "the issuer's keys could not be fetched");
  return std::shared_ptr<const IssuerKeys>(held, &held->document);
}

Result<std::optional<PublicKey>> JwksCache::find(std::string_view kid, TimePoint now) {
  TRY_ASSIGN(auto document, keys(now));
  if (auto key = key_in(*document, kid)) return key;
  const std::unique_lock asking(asking_, std::try_to_lock);
  if (!asking) return fail(Code::unavailable, "the issuer's keys are being fetched");
  const bool looked = may_ask(now) && !was_looked_for(kid, now) && refresh(now);
  std::optional<PublicKey> key = key_in(held_.get()->document, kid);
  if (looked && !key) note_unknown(kid, now);
  return key;
}

}  // namespace keyward::gateway
