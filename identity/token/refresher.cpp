#include "identity/token/refresher.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/token/refresh_schedule.hpp"

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

}  // namespace

Refresher::Refresher(RefresherDeps deps) : deps_(deps) {
  local_end_ = deps_.slot.get()->expires;
  due_ = deps_.clock.now() + refresh_delay(remaining(), random_jitter());
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

RpcResult<std::shared_ptr<const Token>> Refresher::refresh_now() { return attempt(); }

void Refresher::run(const std::stop_token& stop) {
  while (!stop.stop_requested())
    if (is_due(stop)) (void)attempt();  // said by note_failure, and due_ is set either way
}

// Waits a while where it is not; woken early or not, the caller asks again.
bool Refresher::is_due(const std::stop_token& stop) {
  std::unique_lock lock(due_mutex_);
  const milliseconds wait = due_ - deps_.clock.now();
  if (wait <= milliseconds(0)) return true;
  due_changed_.wait_for(lock, stop, std::min(wait, longest_wait),
                        [this, seen = due_] { return due_ != seen; });
  return false;
}

milliseconds Refresher::remaining() const { return local_end_ - deps_.clock.now(); }

RpcResult<std::shared_ptr<const Token>> Refresher::attempt() {
  const std::lock_guard one_at_a_time(attempt_mutex_);
  RpcResult<std::shared_ptr<const Token>> answer = ask();
  if (!answer && answer.error().grpc_code == grpc_unauthenticated) {
    if (take_replaced_file())
      answer = ask();
    else if (deps_.service_account != nullptr)
      answer = exchange();
  }
  milliseconds delay;
  if (answer) {
    accept(*answer);
    delay = refresh_delay(remaining(), random_jitter());
  } else {
    note_failure(answer.error());
    delay = retry_delay(failures_, remaining(), random_jitter());
  }
  {
    const std::lock_guard lock(due_mutex_);
    due_ = deps_.clock.now() + delay;
  }
  due_changed_.notify_all();
  return answer;
}

RpcResult<std::shared_ptr<const Token>> Refresher::ask() {
  // The same id until it is answered: the gateway then repeats its answer instead of refusing a
  // token that it has replaced.
  if (refresh_id_.empty()) refresh_id_ = random_uuid();
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
  const milliseconds life = token->expires - token->issued;
  local_end_ = token->expires == never_expires ? never_expires : deps_.clock.now() + life;
  deps_.slot.set(token);
  refresh_id_.clear();
  failures_ = 0;
  health_ = Health::good;
  log::info("token_refreshed",
            {{"fingerprint", token->bearer.fingerprint()}, {"expires", iso_time(token->expires)}});
  keep(*token);
}

void Refresher::keep(const Token& token) {
  if (!deps_.file || !deps_.file->write_obstacle().empty()) return;  // said at the start
  if (const Result<> kept = deps_.file->write(token); !kept)
    log::error("token_not_kept", {{"detail", kept.error().what},
                                  {"effect", "a restart will find a token that is revoked"}});
}

// An operator may have put a new token in the place of one that was revoked or has expired.
bool Refresher::take_replaced_file() {
  if (!deps_.file) return false;
  const auto read = deps_.file->read();
  const auto held = deps_.slot.get();
  if (!read || (*read)->bearer.equals(held->bearer.reveal()) ||
      (*read)->sandbox_id != held->sandbox_id)
    return false;
  deps_.slot.set(*read);
  local_end_ = (*read)->expires;
  refresh_id_.clear();
  log::info("token_file_replaced", {{"fingerprint", (*read)->bearer.fingerprint()}});
  return true;
}

void Refresher::note_failure(const RpcError& error) {
  ++failures_;
  const Health before = std::exchange(
      health_, error.grpc_code == grpc_unauthenticated ? Health::unauthenticated : Health::failing);
  if (before == health_) return;  // once per change; the retries go on
  if (health_ == Health::unauthenticated)
    log::error("token_refused",
               {{"detail", error.message},
                {"remedy", deps_.service_account != nullptr
                               ? "see the gateway's log: it refuses the pod's ServiceAccount token"
                               : "issue a new token: gateway sandbox token NAME"}});
  else
    log::warn("token_refresh_failed", {{"detail", error.message}});
}

}  // namespace keyward::identity
