#include "netproxy/sigv4/signing_keys.hpp"

#include <algorithm>

#include "netproxy/sigv4/sigv4a.hpp"

namespace keyward::netproxy {
namespace {

bool is_same(const SigningScope& a, const SigningScope& b) {
  return a.date == b.date && a.region == b.region && a.service == b.service;
}

// Puts the found entry in front; false: there is none.
template <class Entries, class Wanted>
bool bring_to_front(Entries& entries, const Wanted& wanted) {
  const auto found = std::find_if(entries.begin(), entries.end(), wanted);
  if (found == entries.end()) return false;
  entries.splice(entries.begin(), entries, found);
  return true;
}

template <class Entries>
void make_room(Entries& entries) {
  while (entries.size() > SigningKeys::limit) entries.pop_back();
}

}  // namespace

std::shared_ptr<const HmacSha256> SigningKeys::get(std::string_view access_key_id,
                                                   const Secret& secret_access_key,
                                                   const SigningScope& scope) {
  const auto wanted = [&](const Entry& entry) {
    return is_same(entry.scope, scope) && entry.credential.is(access_key_id, secret_access_key);
  };
  if (bring_to_front(entries_, wanted)) return entries_.front().key;
  const Secret derived = derive_signing_key(secret_access_key, scope);
  entries_.push_front({{std::string(access_key_id), secret_access_key.clone()},
                       scope,
                       std::make_shared<const HmacSha256>(derived.reveal())});
  make_room(entries_);
  return entries_.front().key;
}

Result<P256PrivateKey> SigningKeys::key_pair(std::string_view access_key_id,
                                             const Secret& secret_access_key) {
  const auto wanted = [&](const PairEntry& entry) {
    return entry.credential.is(access_key_id, secret_access_key);
  };
  if (bring_to_front(pairs_, wanted)) return pairs_.front().key;
  TRY_ASSIGN(P256PrivateKey key, derive_sigv4a_key(access_key_id, secret_access_key));
  pairs_.push_front({{std::string(access_key_id), secret_access_key.clone()}, std::move(key)});
  make_room(pairs_);
  return pairs_.front().key;
}

}  // namespace keyward::netproxy
