#pragma once
// A long stream: it holds no thread while nothing comes, it is ended once, and its caller is asked
// for again every few seconds, so that it ends soon after its token does.

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/status.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {

// `Reactor`: one of gRPC's server reactors.
template <class Reactor>
class GuardedStream : public Reactor {
 public:
  static constexpr std::chrono::seconds look_interval{5};
  static constexpr std::chrono::seconds first_frame_limit{10};

  GuardedStream(grpc::CallbackServerContext& context, const ServiceDeps& deps, const char* method)
      : deps_(deps),
        context_(context),
        call_{method},
        authorization_(metadata_of(context, "authorization")),
        certificate_(certificate_of(context)) {}

  // gRPC keeps a bare pointer until OnDone().  A caller that nobody knows gets no further.
  template <class Stream>
  static Stream* open(std::shared_ptr<Stream> stream) {
    Stream* opened = stream.get();
    opened->self_ = std::move(stream);
    if (const Result<> known = opened->check_known(); !known) {
      opened->end(known);
      return opened;
    }
    opened->look_later();
    opened->begin();
    return opened;
  }

  void OnDone() final {
    std::shared_ptr<GuardedStream> last;
    {
      // A look that is under way ends first: what it uses may go away after this.
      const std::lock_guard look_lock(look_mutex_);
      const std::lock_guard lock(mutex_);
      ended_ = done_ = true;
      alarm_.reset();
      last = std::move(self_);
    }
    on_end();
  }

 protected:
  virtual void begin() = 0;
  virtual void on_end() {}                   // nothing is under way any more
  virtual Result<> on_look() { return {}; }  // beside the question for the caller; one at a time
  virtual std::chrono::seconds interval() const { return look_interval; }
  // Whether the stream may go on after its token was refreshed, until that token's own end.  Asked
  // at each look.
  virtual bool outlives_refresh() { return false; }

  // Of the first frame.
  Result<Principal> admit_stream(Requested::By by, const std::string& sandbox) {
    Call call = call_;
    call.by = by;
    call.sandbox = sandbox;
    TRY_ASSIGN(Principal principal, admit(deps_, context_, call));
    const std::lock_guard lock(mutex_);
    call_ = std::move(call);
    caller_ = principal;
    return principal;
  }

  // Neither a decision to be recorded nor a call to be counted.
  Result<> check_again() {
    const auto [call, caller] = state();
    if (!caller) return {};  // has still to say what it wants
    if (outlives_refresh() && caller->kind == PrincipalKind::sandbox && !caller->jti.empty())
      return check_token(*caller);
    const auto principal = deps_.authenticators.authenticate(
        {authorization_.reveal(), "", call.name, certificate()}, deps_.clock.now());
    // Not UNAUTHENTICATED: OpenShell's supervisor would then never try again.
    if (!principal && principal.error().code == Code::unauthenticated) return token_is_over();
    if (!principal) return tl::unexpected(principal.error());
    return authorize(*principal, call.name, {call.by, call.sandbox});
  }

  // One more frame of an admitted stream, against the limit of its caller.
  Result<> count_frame() {
    const auto [call, caller] = state();
    if (caller && deps_.limits.principals.allow("sandbox:" + caller->sandbox_id, deps_.clock.now()))
      return {};
    return fail(Code::exhausted, "rate limit exceeded for this caller");
  }

  // Only the first end counts.
  void end(const Result<>& done) {
    finish([&] { return end_call(deps_, call_, done); });
  }
  // What ails the other end of the stream, not the gateway: told as it is.
  void end_without_peer(const std::string& why) {
    finish([&] {
      grpc::Status status(grpc::StatusCode::UNAVAILABLE, why);
      deps_.metrics.count_request(call_.name, status_name(status.error_code()));
      return status;
    });
  }
  template <class Message>
  void read_into(Message& message) {
    const std::lock_guard lock(mutex_);
    if (!ended_) this->StartRead(&message);
  }
  template <class Message>
  void write_from(const Message& message) {
    const std::lock_guard lock(mutex_);
    if (!ended_) this->StartWrite(&message);
  }
  Result<> look_now() {
    const std::lock_guard look_lock(look_mutex_);
    return on_look();
  }

  std::weak_ptr<GuardedStream> weak() {
    const std::lock_guard lock(mutex_);
    return self_;
  }
  std::string sandbox_id() { return state().first.sandbox; }
  bool is_admitted() { return state().second.has_value(); }

  const ServiceDeps deps_;
  grpc::CallbackServerContext& context_;  // only before OnDone()

 private:
  template <class Status>
  void finish(Status status) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    this->Finish(status());
  }

  static tl::unexpected<Error> token_is_over() {
    return fail(Code::conflict,
                "the token does not authenticate any more; open the stream anew with the current "
                "one");
  }

  // Refused as any call without a caller is: counted by its source, and recorded.
  Result<> check_known() {
    const auto principal = deps_.authenticators.authenticate(
        {authorization_.reveal(), "", call_.name, certificate()}, deps_.clock.now());
    if (principal && authorize(*principal, call_.name)) return {};
    const auto admitted = admit(deps_, context_, call_);
    return admitted ? Result<>() : tl::unexpected(admitted.error());
  }

  Result<> check_token(const Principal& caller) {
    if (deps_.clock.now() > caller.expires + identity::clock_leeway) return token_is_over();
    TRY_ASSIGN(const TokenStatus status, deps_.store.token_status(caller.jti));
    // The first use of the token that followed ends the repeat of the refresh, not the stream.
    const bool was_refreshed = status.refreshed != TimePoint();
    return status.state == TokenState::active || was_refreshed ? Result<>() : token_is_over();
  }

  void look_later() {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    // A new one each time: an alarm must not be set from within its own call.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + interval(),
                [weak = std::weak_ptr<GuardedStream>(self_)](bool fired) {
                  if (const auto stream = weak.lock(); fired && stream) stream->look();
                });
  }

  void look() {
    Result<> good;
    {
      const std::lock_guard look_lock(look_mutex_);
      if (is_done()) return;
      waited_ += interval();
      good = is_admitted() || waited_ < first_frame_limit
                 ? check_again()
                 : fail(Code::invalid, "the first frame has not come within 10 s");
      if (good) good = on_look();
    }
    // A database that is away for a moment ends nothing; each frame is checked anyway.
    if (good || is_own_trouble(good.error())) return look_later();
    end(good);
  }

  bool is_done() {
    const std::lock_guard lock(mutex_);
    return done_;
  }
  std::pair<Call, std::optional<Principal>> state() {
    const std::lock_guard lock(mutex_);
    return {call_, caller_};
  }
  // Where no token is presented.
  const CertificateSubject* certificate() const {
    return authorization_.empty() && certificate_ ? &*certificate_ : nullptr;
  }

  std::mutex look_mutex_;  // before mutex_
  std::chrono::seconds waited_{0};
  std::mutex mutex_;  // guards what follows, and that nothing starts after Finish()
  Call call_;
  std::optional<Principal> caller_;  // none: not admitted yet
  bool ended_ = false, done_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
  std::shared_ptr<GuardedStream> self_;

  const Secret authorization_;
  const std::optional<CertificateSubject> certificate_;
};

}  // namespace keyward::gateway
