#include "supervisor/credential_store.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"

namespace keyward::supervisor {

void CredentialStore::deliver(netproxy::Credentials credentials) {
  const std::lock_guard lock(mutex_);
  delivered_ = std::move(credentials);
  for (const netproxy::BoundAwsCredentials& bound : own_.aws) note_other(bound.provider);
  show();
}

void CredentialStore::keep(netproxy::BoundAwsCredentials own) {
  const std::lock_guard lock(mutex_);
  const auto held = std::find_if(
      own_.aws.begin(), own_.aws.end(),
      [&](const netproxy::BoundAwsCredentials& other) { return other.provider == own.provider; });
  if (held != own_.aws.end()) {
    *held = std::move(own);
  } else {
    note_other(own.provider);
    own_.aws.push_back(std::move(own));
  }
  show();
}

void CredentialStore::drop_old_keys(TimePoint now) {
  const std::lock_guard lock(mutex_);
  auto rest = netproxy::without_old_keys(delivered_, now);
  if (!rest) return;
  delivered_ = std::move(*rest);
  show();
}

void CredentialStore::note_other(const std::string& provider) const {
  const bool twice = std::any_of(
      delivered_.aws.begin(), delivered_.aws.end(),
      [&](const netproxy::BoundAwsCredentials& other) { return other.provider == provider; });
  if (twice)
    log::warn("provider_named_twice", {{"provider", provider},
                                       {"effect", "where both are bound alike, nothing is signed"},
                                       {"remedy", "give --aws-credentials another NAME"}});
}

void CredentialStore::show() {
  auto all = std::make_shared<netproxy::Credentials>();
  for (const netproxy::Credentials* part : std::array{&delivered_, &own_})
    for (const netproxy::BoundAwsCredentials& bound : part->aws) all->aws.push_back(bound.clone());
  shown_.set(std::move(all));
}

}  // namespace keyward::supervisor
