#include "identity/aws/keeper.hpp"

#include <algorithm>
#include <cstring>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "identity/aws/schedule.hpp"

namespace keyward::identity {
namespace {

using std::chrono::milliseconds;

// Long waits are cut, so that a machine that slept or a clock that was set is noticed.
constexpr milliseconds longest_wait{30'000};

double random_jitter() {
  std::uint32_t number = 0;
  std::memcpy(&number, random_bytes(sizeof number).data(), sizeof number);
  return number / 4294967296.0;
}

bool same_pair(const AwsKeys& a, const AwsKeys& b) {
  return a.pair.access_key_id == b.pair.access_key_id &&
         a.pair.secret_access_key.equals(b.pair.secret_access_key.reveal()) &&
         a.pair.session_token.equals(b.pair.session_token.reveal()) && a.expires == b.expires;
}

}  // namespace

KeyKeeper::KeyKeeper(KeeperDeps deps) : deps_(std::move(deps)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  std::unique_lock lock(mutex_);
  const auto asked = [this] { return has_asked_; };
  if (deps_.patience)
    woken_.wait_for(lock, *deps_.patience, asked);
  else
    woken_.wait(lock, asked);
}

void KeyKeeper::run(const std::stop_token& stop) {
  TimePoint due = deps_.clock.now() + renew(stop);
  {
    const std::lock_guard lock(mutex_);
    has_asked_ = true;
  }
  woken_.notify_all();
  while (!stop.stop_requested()) {
    const milliseconds wait = due - deps_.clock.now();
    if (wait <= milliseconds(0)) {
      due = deps_.clock.now() + renew(stop);
      continue;
    }
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, stop, std::min(wait, longest_wait), [] { return false; });
  }
}

milliseconds KeyKeeper::renew(const std::stop_token& stop) {
  Result<AwsKeys> fetched = deps_.fetch(stop);
  if (stop.stop_requested()) return longest_wait;  // our own end is no failure
  const bool succeeded = fetched.has_value();
  if (fetched)
    keep(std::move(*fetched));
  else
    note_failure(fetched.error());
  deps_.told(succeeded);
  const auto state = deps_.state.get();
  std::optional<milliseconds> remaining;
  const std::optional<TimePoint> end = state->keys ? state->keys->expires : std::nullopt;
  if (end) remaining = *end - deps_.clock.now();
  if (failures_ > 0)
    return retry_renewal_delay(failures_, remaining, state->keys != nullptr, random_jitter());
  return renewal_delay(remaining, deps_.margin, random_jitter());
}

void KeyKeeper::keep(AwsKeys keys) {
  const auto before = deps_.state.get();
  const bool recovered = std::exchange(failures_, 0) > 0;
  const bool unchanged = before && before->keys && same_pair(*before->keys, keys);
  if (!unchanged || recovered)
    log::info("keys_obtained", {{"source", keys.source},
                                {"key", key_id_end(keys.pair.access_key_id)},
                                {"expires", keys.expires ? iso_time(*keys.expires) : "never"}});
  if (unchanged && !recovered) return;
  auto state = std::make_shared<AwsKeyState>();
  state->keys = std::make_shared<const AwsKeys>(std::move(keys));
  deps_.state.set(std::move(state));
}

void KeyKeeper::note_failure(const Error& error) {
  const auto before = deps_.state.get();
  ++failures_;
  auto state = std::make_shared<AwsKeyState>();
  if (before) state->keys = before->keys;
  state->problem = error.what;
  log::error("keys_not_obtained", {{"detail", error.what},
                                   {"held", state->keys ? "those before, to their end" : "none"}});
  deps_.state.set(std::move(state));
}

}  // namespace keyward::identity
