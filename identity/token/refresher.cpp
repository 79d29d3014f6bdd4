#include "identity/token/refresher.hpp"

#include <algorithm>
#include <utility>

#include "base/crypto.hpp"
#include "base/jitter.hpp"
#include "base/log.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/token/refresh_schedule.hpp"

namespace keyward::identity {
namespace {

using std::chrono::milliseconds;

// Long waits are cut, so that a machine that slept is noticed.
constexpr milliseconds longest_wait{30'000};
// How often a file is looked at that a new token may be put into.
constexpr milliseconds file_watch{5'000};

}  // namespace

Refresher::Refresher(RefresherDeps deps) : deps_(deps) {
  const auto token = deps_.slot.get();
  end_ = deps_.boot.now() + life_left(token->issued, token->expires, deps_.clock.now());
  if (deps_.file != nullptr) seen_in_file_ = token->bearer.fingerprint();
  due_ = deps_.boot.now() + refresh_delay(remaining(), random_fraction());
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

RpcResult<std::shared_ptr<const Token>> Refresher::refresh_now() { return attempt(); }

void Refresher::run(const std::stop_token& stop) {
  while (!stop.stop_requested())
    if (is_due(stop) || replacement_waits())
      (void)attempt();  // said by note_failure, and due_ is set either way
}

// Waits a while where it is not: then the file is worth a look.
bool Refresher::is_due(const std::stop_token& stop) {
  std::unique_lock lock(due_mutex_);
  for (;;) {
    const milliseconds wait = due_ - deps_.boot.now();
    if (wait <= milliseconds(0)) return true;
    const bool moved = due_changed_.wait_for(
        lock, stop, std::min(wait, deps_.file != nullptr ? file_watch : longest_wait),
        [this, seen = due_] { return due_ != seen; });
    if (!moved) return false;
  }
}

bool Refresher::replacement_waits() {
  const std::lock_guard lock(attempt_mutex_);
  return (health_ == Health::degraded ? replacement() : new_replacement()) != nullptr;
}

milliseconds Refresher::remaining() const { return end_.load() - deps_.boot.now(); }

void Refresher::hold(const std::shared_ptr<const Token>& token, milliseconds life) {
  end_ = deps_.boot.now() + life;
  deps_.slot.set(token);
  refresh_id_.clear();
}

RpcResult<std::shared_ptr<const Token>> Refresher::attempt() {
  const std::lock_guard one_at_a_time(attempt_mutex_);
  const Outcome outcome = renew();
  milliseconds delay;
  if (outcome.answer) {
    accept(*outcome.answer);
    delay = refresh_delay(remaining(), random_fraction());
  } else {
    note_failure(outcome);
    delay = retry_delay(failures_, remaining(), random_fraction());
  }
  {
    const std::lock_guard lock(due_mutex_);
    due_ = deps_.boot.now() + delay;
  }
  due_changed_.notify_all();
  return outcome.answer;
}

// A token whose life has ended is still asked with where the source has nothing better: the clock
// that says so may be wrong.
Refresher::Outcome Refresher::renew() {
  const bool expired = remaining() <= milliseconds(0);
  if (expired && deps_.service_account != nullptr) return {exchange()};
  Outcome outcome;
  outcome.replaced = take(expired ? replacement() : new_replacement());
  outcome.answer = ask();
  const auto is_refused = [&] {
    return !outcome.answer && outcome.answer.error().grpc_code == grpc_unauthenticated;
  };
  if (is_refused() && take_back()) {
    outcome.replaced = false;
    outcome.answer = ask();
  }
  if (is_refused() && take(replacement())) {
    outcome.replaced = true;
    outcome.answer = ask();
  }
  outcome.refused = is_refused();
  if (outcome.refused) before_ = {};
  if (outcome.refused && deps_.service_account != nullptr) outcome.answer = exchange();
  outcome.replaced = outcome.replaced && !outcome.refused;
  return outcome;
}

RpcResult<std::shared_ptr<const Token>> Refresher::ask() {
  // The same id until it is answered: the gateway then repeats its answer instead of refusing a
  // token that it has replaced.
  if (refresh_id_.empty())
    refresh_id_ = deps_.file ? deps_.file->begin_refresh(*deps_.slot.get()) : random_uuid();
  RpcResult<RefreshedToken> answer = deps_.transport.refresh(refresh_id_);
  if (!answer) return tl::unexpected(std::move(answer).error());
  auto token = parse_token(std::move(answer->token), "the gateway's answer to a refresh");
  if (!token) return tl::unexpected(RpcError{grpc_internal, std::move(token).error().what});
  TRY(check_answer(**token, "a refresh"));
  return std::move(*token);
}

RpcResult<std::shared_ptr<const Token>> Refresher::exchange() {
  refresh_id_.clear();
  auto token = deps_.service_account->exchange(deps_.transport);
  if (token) TRY(check_answer(**token, "an exchange"));
  return token;
}

// What cannot be used does not replace what can.  A token that has ended by this clock may be good:
// only its own two times are compared.
RpcResult<> Refresher::check_answer(const Token& token, const std::string& to) const {
  if (token.sandbox_id != deps_.slot.get()->sandbox_id)
    return tl::unexpected(
        RpcError{grpc_internal, "the gateway's answer to " + to + " names another sandbox"});
  if (token.expires <= token.issued)
    return tl::unexpected(
        RpcError{grpc_internal, "the gateway's answer to " + to + " is a token without a life"});
  return {};
}

void Refresher::accept(const std::shared_ptr<const Token>& token) {
  // Counted from the receipt, so that a clock that differs from the gateway's does not matter.
  hold(token, token->expires - token->issued);
  before_ = {};
  failures_ = 0;
  if (std::exchange(health_, Health::good) == Health::degraded) note_recovery();
  log::info("token_refreshed",
            {{"fingerprint", token->bearer.fingerprint()}, {"expires", iso_time(token->expires)}});
  keep(*token);
}

void Refresher::keep(const Token& token) {
  if (!deps_.file || !deps_.file->write_obstacle().empty()) return;  // said at the start
  if (new_replacement() != nullptr) return;  // put there during the call: the next look takes it
  if (const Result<> kept = deps_.file->end_refresh(token); !kept)
    return log::error(
        "token_not_kept",
        {{"detail", kept.error().what}, {"effect", "a restart will find a token that is revoked"}});
  seen_in_file_ = token.bearer.fingerprint();
}

// An operator may have put a new token in the place of one that was revoked or has expired.  An
// older one there is what could not be written back.
std::shared_ptr<const Token> Refresher::replacement() const {
  if (!deps_.file) return nullptr;
  auto read = deps_.file->read();
  const auto held = deps_.slot.get();
  if (!read || (*read)->bearer.equals(held->bearer.reveal()) ||
      (*read)->sandbox_id != held->sandbox_id || (*read)->issued + clock_leeway < held->issued ||
      (*read)->expires <= deps_.clock.now())
    return nullptr;
  return std::move(*read);
}

// ... that was not there at the last look: one that the gateway has refused is not tried for ever.
std::shared_ptr<const Token> Refresher::new_replacement() const {
  auto found = replacement();
  return found && found->bearer.fingerprint() != seen_in_file_ ? std::move(found) : nullptr;
}

// Null: nothing is taken.
bool Refresher::take(const std::shared_ptr<const Token>& replaced) {
  if (!replaced) return false;
  if (health_ != Health::degraded) before_ = {deps_.slot.get(), end_, refresh_id_};
  hold(replaced, life_left(replaced->issued, replaced->expires, deps_.clock.now()));
  seen_in_file_ = replaced->bearer.fingerprint();
  log::info("token_file_replaced", {{"fingerprint", seen_in_file_}});
  return true;
}

// Whoever put a token there that the gateway refuses has not ended the one before.
bool Refresher::take_back() {
  const Held before = std::exchange(before_, {});
  if (!before.token || before.end <= deps_.boot.now()) return false;
  log::warn("token_file_refused", {{"fingerprint", deps_.slot.get()->bearer.fingerprint()},
                                   {"effect", "the token before it is used on"}});
  hold(before.token, before.end - deps_.boot.now());
  refresh_id_ = before.refresh_id;
  return true;
}

// Once per change; the retries go on.
void Refresher::note_failure(const Outcome& outcome) {
  ++failures_;
  const RpcError& error = outcome.answer.error();
  const bool lasts = health_ == Health::degraded && !outcome.replaced;
  const bool degraded = outcome.refused || remaining() <= milliseconds(0) || lasts;
  const Health before = std::exchange(health_, degraded ? Health::degraded : Health::failing);
  if (before == health_) return;
  if (degraded) return note_degraded(error, outcome.refused);
  if (before == Health::degraded) note_recovery();
  log::warn("token_refresh_failed", {{"detail", error.message}});
}

void Refresher::note_degraded(const RpcError& error, bool refused) const {
  log::error(refused ? "token_refused" : "token_expired",
             {{"detail", error.message}, {"remedy", remedy()}});
}

// At the level of a warning, so that who read how it began reads that it is over.
void Refresher::note_recovery() const {
  log::warn("token_recovered", {{"fingerprint", deps_.slot.get()->bearer.fingerprint()}});
}

std::string_view Refresher::remedy() const {
  if (deps_.service_account != nullptr)
    return "none while the gateway is away; if it answers, see its log: it refuses the pod's "
           "ServiceAccount token";
  if (deps_.file != nullptr)
    return "put a new token into the token file: gateway sandbox token NAME; it is taken without a "
           "restart";
  return "restart with a new token: gateway sandbox token NAME";
}

}  // namespace keyward::identity
