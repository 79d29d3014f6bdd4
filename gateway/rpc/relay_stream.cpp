#include "base/bytes.hpp"
#include "gateway/rpc/guarded_stream.hpp"
#include "gateway/rpc/session_book.hpp"
#include "gateway/rpc/streams.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr std::size_t frame_limit = 65'536;  // bytes of data; the wire contract's ends send 16 KiB
constexpr std::chrono::seconds wait_limit{10};  // for the supervisor's end

// One end: the first frame says which relay, all others are data.
template <class Frame>
class RelayEnd : public GuardedStream<grpc::ServerBidiReactor<Frame, Frame>> {
  using Base = GuardedStream<grpc::ServerBidiReactor<Frame, Frame>>;

 public:
  RelayEnd(grpc::CallbackServerContext& context, const ServiceDeps& deps, const char* method,
           Relay::Side side)
      : Base(context, deps, method), side_(side) {}

  void begin() override { this->read_into(incoming_); }

  void OnReadDone(bool more) override {
    const std::shared_ptr<Relay> relay = this->relay();
    if (!relay) {
      const Result<> joined = more ? join_by(incoming_) : fail(Code::invalid, "expected init");
      if (!joined) return this->end(joined);
    } else if (!more) {
      return relay->end(side_);  // what is on its way is still delivered
    } else if (const Result<> taken = take_data(*relay); !taken) {
      relay->fail_with("the other end broke the protocol");
      return this->end(taken);
    }
    set(active_, true);
    set(reading_, false);
    pump();
  }

  void OnWriteDone(bool) override {
    set(active_, true);
    set(writing_, false);
    pump();
  }
  void OnCancel() override {
    if (const auto relay = this->relay()) relay->leave(side_);
    this->end(fail(Code::conflict, "cancelled"));
  }

 protected:
  virtual Result<std::shared_ptr<Relay>> join(const Frame& first) = 0;

  void on_end() override {
    if (const auto relay = this->relay()) relay->leave(side_);
  }

 private:
  Result<> join_by(const Frame& first) {
    if (!first.has_init()) return fail(Code::invalid, "expected init");
    TRY_ASSIGN(const std::shared_ptr<Relay> relay, join(first));
    {
      const std::lock_guard lock(pump_mutex_);
      relay_ = relay;
    }
    relay->attach(side_, [weak = this->weak()] {
      if (const auto stream = weak.lock()) static_cast<RelayEnd&>(*stream).pump();
    });
    return {};
  }

  Result<> take_data(Relay& relay) {
    TRY(check_size(incoming_));
    if (incoming_.has_init()) return fail(Code::invalid, "init is the first frame only");
    if (incoming_.data().empty() || incoming_.data().size() > frame_limit)
      return fail(Code::invalid, "a frame has 1 to 65536 bytes of data");
    relay.write(side_, std::move(*incoming_.mutable_data()));
    return {};
  }

  // Starts whatever can go on.  The two ends wake each other, so a call from within another one of
  // the same end only leaves word.
  void pump() {
    {
      const std::lock_guard lock(pump_mutex_);
      again_ = true;
      if (pumping_) return;
      pumping_ = true;
    }
    for (;;) {
      {
        const std::lock_guard lock(pump_mutex_);
        if (!again_) pumping_ = false;
        if (!again_) return;
        again_ = false;
      }
      pump_once(*relay());
    }
  }

  // The next read, the next write, or the end.
  void pump_once(Relay& relay) {
    if (relay.has_room(side_) && set(reading_, true)) this->read_into(incoming_);
    if (!set(writing_, true)) return;
    if (auto data = relay.read(side_)) {
      outgoing_.set_data(std::move(*data));
      return this->write_from(outgoing_);
    }
    set(writing_, false);
    const auto over = relay.is_over(side_);
    if (over && over->empty()) return this->end({});
    if (over) this->end_without_peer(*over);
  }

  // Whether it was otherwise.
  bool set(bool& flag, bool value) {
    const std::lock_guard lock(pump_mutex_);
    return std::exchange(flag, value) != value;
  }
  std::shared_ptr<Relay> relay() {
    const std::lock_guard lock(pump_mutex_);
    return relay_;
  }

  // The other end must come soon.  Where it sends no more and nothing moves, this one is over: a
  // stream cannot be told that the other half is closed.
  Result<> on_look() override {
    const auto relay = this->relay();
    if (relay && relay->is_whole()) {
      const bool moved = set(active_, false);
      if (!moved && relay->is_half_over(side_)) this->end({});
      return {};
    }
    waited_ += Base::look_interval;
    if (waited_ < wait_limit) return {};
    if (relay) relay->fail_with("relay channel timed out");
    return fail(Code::timeout, "relay channel timed out");
  }

  const Relay::Side side_;
  Frame incoming_, outgoing_;
  std::chrono::seconds waited_{0};
  std::mutex pump_mutex_;
  std::shared_ptr<Relay> relay_;
  bool reading_ = true, writing_ = false, pumping_ = false, again_ = false, active_ = false;
};

class SupervisorEnd final : public RelayEnd<v1::RelayFrame> {
 public:
  SupervisorEnd(grpc::CallbackServerContext& context, const ServiceDeps& deps)
      : RelayEnd(context, deps, "RelayStream", Relay::Side::sandbox) {}

 private:
  Result<std::shared_ptr<Relay>> join(const v1::RelayFrame& first) override {
    TRY_ASSIGN(const Principal caller, admit_stream(Requested::By::caller, ""));
    {
      const std::lock_guard lock(holder_mutex_);
      sandbox_ = caller.sandbox_id;
      instance_ = deps_.sessions.instance_of(caller.sandbox_id);
    }
    return deps_.sessions.claim(first.init().channel_id(), caller.sandbox_id);
  }

  // A user's connection goes on over a refresh, where the supervisor that took it opens its session
  // anew by the new token.  Whoever stole the old one cannot.
  bool outlives_refresh() override {
    const std::lock_guard lock(holder_mutex_);
    const bool holds = instance_ && deps_.sessions.instance_of(sandbox_) == instance_;
    missed_ = holds ? 0 : missed_ + 1;
    return missed_ <= misses_limit;
  }

  static constexpr int misses_limit = 2;  // looks, while it does
  std::mutex holder_mutex_;
  std::string sandbox_;
  std::optional<std::string> instance_;  // of the session that was asked
  int missed_ = 0;                       // looks in a row without that session
};

class UserEnd final : public RelayEnd<v1::TcpForwardFrame> {
 public:
  UserEnd(grpc::CallbackServerContext& context, const ServiceDeps& deps)
      : RelayEnd(context, deps, "ForwardTcp", Relay::Side::user) {}

 private:
  static Result<RelayTarget> target_of(const v1::TcpForwardInit& init) {
    if (!init.has_tcp())
      return fail(Code::unsupported, "only tcp targets are served by this version");
    const std::string& host = init.tcp().host();
    if (host != "127.0.0.1" && host != "::1" && host != "localhost")
      return fail(Code::invalid, "a tcp target is 127.0.0.1, ::1 or localhost");
    if (init.tcp().port() == 0 || init.tcp().port() > 65'535)
      return fail(Code::invalid, "port must be 1 to 65535");
    return RelayTarget{host, static_cast<std::uint16_t>(init.tcp().port()),
                       std::string(utf8_prefix(init.service_id(), 128))};
  }

  Result<std::shared_ptr<Relay>> join(const v1::TcpForwardFrame& first) override {
    TRY(admit_stream(Requested::By::id, first.init().sandbox_id()));
    TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_id(first.init().sandbox_id()));
    TRY_ASSIGN(const RelayTarget target, target_of(first.init()));
    auto made = deps_.sessions.request(sandbox.id, target);
    if (!made && made.error().code == Code::unavailable) end_without_peer(made.error().what);
    if (!made) return tl::unexpected(made.error());
    channel_id_ = made->channel_id;
    return made->relay;
  }

  void on_end() override {
    // Where the supervisor never came, the channel must not wait for it.
    if (!channel_id_.empty()) deps_.sessions.drop(channel_id_, sandbox_id(), "the user has gone");
    RelayEnd::on_end();
  }

  std::string channel_id_;
};

}  // namespace

grpc::ServerBidiReactor<v1::RelayFrame, v1::RelayFrame>* open_relay_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps) {
  return SupervisorEnd::open(std::make_shared<SupervisorEnd>(context, deps));
}

grpc::ServerBidiReactor<v1::TcpForwardFrame, v1::TcpForwardFrame>* open_forward_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps) {
  return UserEnd::open(std::make_shared<UserEnd>(context, deps));
}

}  // namespace keyward::gateway
