#include "netproxy/sigv4/signing_keys.hpp"

#include <algorithm>

namespace keyward::netproxy {

const Secret& SigningKeys::get(const AwsCredentials& credentials, const SigningScope& scope) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.access_key_id == credentials.access_key_id && entry.scope.region == scope.region &&
           entry.scope.service == scope.service;
  });
  const std::string_view secret = credentials.secret_access_key.reveal();
  if (found != entries_.end() && found->scope.date == scope.date &&
      found->secret_access_key.equals(secret))
    return found->key;
  Entry fresh{credentials.access_key_id, credentials.secret_access_key.clone(), scope,
              derive_signing_key(credentials.secret_access_key, scope)};
  if (found != entries_.end()) return (*found = std::move(fresh)).key;
  if (entries_.size() < limit) return entries_.emplace_back(std::move(fresh)).key;
  Entry& replaced = entries_[oldest_];
  oldest_ = (oldest_ + 1) % limit;
  return (replaced = std::move(fresh)).key;
}

}  // namespace keyward::netproxy
