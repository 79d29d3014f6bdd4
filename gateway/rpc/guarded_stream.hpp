#pragma once
// A long stream: it holds no thread while nothing comes, it is ended once, and its caller is asked
// for again every few seconds, so that it ends soon after its token does.

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/rpc/admission.hpp"

namespace keyward::gateway {

// `Reactor`: one of gRPC's server reactors.
template <class Reactor>
class GuardedStream : public Reactor {
 public:
  static constexpr std::chrono::seconds look_interval{5};

  GuardedStream(grpc::CallbackServerContext& context, const ServiceDeps& deps, const char* method)
      : deps_(deps), context_(context), call_{method} {}

  // gRPC keeps a bare pointer until OnDone().
  template <class Stream>
  static Stream* open(std::shared_ptr<Stream> stream) {
    Stream* opened = stream.get();
    opened->self_ = std::move(stream);
    opened->begin();
    return opened;
  }

  void OnDone() final {
    std::shared_ptr<GuardedStream> last;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      done_ = true;
      alarm_.reset();
      last = std::move(self_);
    }
    on_end();
  }

 protected:
  virtual void begin() = 0;
  virtual void on_end() {}                   // nothing is under way any more
  virtual Result<> on_look() { return {}; }  // beside the question for the caller
  virtual std::chrono::seconds interval() const { return look_interval; }

  // Of the first frame.  From here on the caller is asked for again.
  Result<Principal> admit_stream(Requested::By by, const std::string& sandbox) {
    call_.by = by;
    call_.sandbox = sandbox;
    TRY_ASSIGN(Principal principal, admit(deps_, context_, call_));
    admitted_ = true;
    const std::lock_guard lock(mutex_);
    look_later();
    return principal;
  }

  // Neither a decision to be recorded nor a call to be counted.
  Result<> check_again() {
    const auto principal = authenticate(deps_, context_, call_.name);
    // Not UNAUTHENTICATED: OpenShell's supervisor would then never try again.
    if (!principal && principal.error().code == Code::unauthenticated)
      return fail(Code::conflict,
                  "the token does not authenticate any more; open the stream anew with the current "
                  "one");
    if (!principal) return tl::unexpected(principal.error());
    return authorize(*principal, call_.name, {call_.by, call_.sandbox});
  }

  // Only the first one counts.
  void end(const Result<>& done) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    this->Finish(end_call(deps_, call_, done));
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

  std::weak_ptr<GuardedStream> weak() const { return self_; }
  const std::string& sandbox_id() const { return call_.sandbox; }
  bool is_admitted() const { return admitted_; }

  const ServiceDeps deps_;

  grpc::CallbackServerContext& context_;

 private:
  // With the lock.  A new alarm each time: an alarm must not be set from within its own call.
  void look_later() {
    if (ended_) return;
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + interval(), [weak = weak()](bool fired) {
      if (const auto stream = weak.lock(); fired && stream) stream->look();
    });
  }
  void look() {
    Result<> good;
    {
      const std::lock_guard lock(mutex_);
      if (done_) return;  // the context is gone
      good = check_again();
      look_later();
    }
    if (good) good = on_look();
    if (!good) end(good);
  }

  Call call_;
  std::mutex mutex_;
  bool admitted_ = false, ended_ = false, done_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
  std::shared_ptr<GuardedStream> self_;
};

}  // namespace keyward::gateway
