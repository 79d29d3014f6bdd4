#include <atomic>

#include "gateway/rpc/guarded_stream.hpp"
#include "gateway/rpc/outbox.hpp"
#include "gateway/rpc/session_book.hpp"
#include "gateway/rpc/streams.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Base = GuardedStream<grpc::ServerBidiReactor<v1::SupervisorMessage, v1::GatewayMessage>>;

constexpr std::size_t instance_limit = 128;  // bytes

class SessionStream final : public Base, public SessionPeer {
 public:
  SessionStream(grpc::CallbackServerContext& context, const ServiceDeps& deps)
      : GuardedStream(context, deps, "ConnectSupervisor") {}

  void begin() override { read_into(incoming_); }

  void OnReadDone(bool more) override {
    const Result<> taken = more ? take() : end_of_input();
    if (!more || !taken) return end(taken);
    read_into(incoming_);
  }

  void OnWriteDone(bool written) override {
    if (!written) return;  // the stream is broken; the read tells
    if (const v1::GatewayMessage* next = outbox_.next()) return write_from(*next);
    if (rejected_) end({});
  }

  void accepted(const std::string& session_id) override {
    v1::GatewayMessage answer;
    answer.mutable_session_accepted()->set_session_id(session_id);
    answer.mutable_session_accepted()->set_heartbeat_interval_secs(
        static_cast<std::uint32_t>(SessionBook::heartbeat.count()));
    send(std::move(answer));
  }

  void ask_for_relay(const std::string& channel_id, const RelayTarget& target) override {
    v1::GatewayMessage message;
    message.mutable_relay_open()->set_channel_id(channel_id);
    message.mutable_relay_open()->set_service_id(target.service_id);
    message.mutable_relay_open()->mutable_tcp()->set_host(target.host);
    message.mutable_relay_open()->mutable_tcp()->set_port(target.port);
    send(std::move(message));
  }

  void superseded() override {
    end(fail(Code::conflict, "a newer session of this supervisor has taken its place"));
  }

 private:
  Result<> end_of_input() {
    if (is_admitted()) return {};
    return fail(Code::invalid, "stream closed before hello");
  }

  Result<> take() {
    TRY(check_size(incoming_));
    if (!is_admitted()) return take_hello();
    TRY(count_frame());
    TRY(check_again());
    deps_.sessions.heard(hello_, deps_.clock.now());
    if (incoming_.has_relay_open_result() && !incoming_.relay_open_result().success())
      deps_.sessions.drop(incoming_.relay_open_result().channel_id(), sandbox_id(),
                          "the supervisor cannot reach the target");
    if (incoming_.has_relay_close())
      deps_.sessions.drop(incoming_.relay_close().channel_id(), sandbox_id(),
                          "the supervisor closed the relay");
    if (incoming_.has_heartbeat()) {
      v1::GatewayMessage answer;
      answer.mutable_heartbeat();
      send(std::move(answer));
    }
    return {};
  }

  Result<> take_hello() {
    if (!incoming_.has_hello()) return fail(Code::invalid, "expected SupervisorHello");
    const v1::SupervisorHello& hello = incoming_.hello();
    if (hello.sandbox_id().empty()) return fail(Code::invalid, "sandbox_id is required");
    TRY(admit_stream(Requested::By::id, hello.sandbox_id()));
    if (hello.instance_id().empty() || hello.instance_id().size() > instance_limit)
      return fail(Code::invalid, "instance_id is required");
    TRY(deps_.store.sandbox_by_id(hello.sandbox_id()));
    hello_ = {hello.sandbox_id(), hello.instance_id()};
    const Result<> session = deps_.sessions.open(hello_, *this, deps_.clock.now());
    if (session) return {};
    v1::GatewayMessage answer;
    answer.mutable_session_rejected()->set_reason(session.error().what);
    rejected_ = true;
    send(std::move(answer));
    return {};
  }

  void send(v1::GatewayMessage message) {
    const auto added = outbox_.add(std::move(message));
    if (!added.taken) return end(fail(Code::exhausted, "the session is not read"));
    if (added.first != nullptr) write_from(*added.first);
  }

  void on_end() override { deps_.sessions.close(sandbox_id(), *this); }

  v1::SupervisorMessage incoming_;
  SessionBook::Hello hello_;
  Outbox<v1::GatewayMessage> outbox_;
  std::atomic<bool> rejected_ = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::SupervisorMessage, v1::GatewayMessage>* open_session_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps) {
  return SessionStream::open(std::make_shared<SessionStream>(context, deps));
}

}  // namespace keyward::gateway
