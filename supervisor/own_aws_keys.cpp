#include "supervisor/own_aws_keys.hpp"

#include <algorithm>

namespace keyward::supervisor {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds first_keys_limit{10};
constexpr std::chrono::seconds margin{60};  // before their end keys have been replaced

milliseconds left_until(SteadyClock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - SteadyClock::now());
  return std::max(left, milliseconds(0));
}

}  // namespace

netproxy::BoundAwsCredentials bound_keys(const NamedAwsSource& source,
                                         const identity::AwsKeyState* state) {
  netproxy::BoundAwsCredentials bound;
  bound.provider = source.provider;
  bound.bindings = source.bindings;
  if (state != nullptr && state->keys) {
    bound.keys = state->keys->pair.clone();
    bound.expires = state->keys->expires;
    return bound;
  }
  // What the source said is the operator's to know, and in the log.
  bound.missing = state == nullptr ? "their source has not answered yet"
                                   : "their source gives none at the moment";
  return bound;
}

OwnAwsKeys::OwnAwsKeys(const AwsSourceSettings& settings, CredentialStore& store,
                       const Clock& clock) {
  const auto end = SteadyClock::now() + first_keys_limit;
  for (const NamedAwsSource& source : settings.named) store.keep(bound_keys(source, nullptr));
  for (const NamedAwsSource& source : settings.named) {
    Kept& kept = *kept_.emplace_back(std::make_unique<Kept>());
    identity::KeeperDeps deps{
        [&settings, &source, &clock](const std::stop_token& stop) {
          return fetch_aws_keys(settings, source, clock, stop);
        },
        kept.state,
        clock,
        margin,
        [&kept, &source, &store](bool) { store.keep(bound_keys(source, kept.state.get().get())); },
        left_until(end)};
    kept.keeper = std::make_unique<identity::KeyKeeper>(std::move(deps));
  }
}

}  // namespace keyward::supervisor
