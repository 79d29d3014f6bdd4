#include <atomic>

#include "gateway/rpc/guarded_stream.hpp"
#include "gateway/rpc/log_view.hpp"
#include "gateway/rpc/outbox.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/sandboxes.hpp"
#include "gateway/rpc/streams.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Base = GuardedStream<grpc::ServerWriteReactor<v1::SandboxStreamEvent>>;

// Looks once a second for what has changed.
class WatchStream final : public Base {
 public:
  WatchStream(grpc::CallbackServerContext& context, const ServiceDeps& deps,
              const v1::WatchSandboxRequest& request)
      : GuardedStream(context, deps, "WatchSandbox"), request_(request) {}

  void begin() override {
    const Result<> begun = start();
    if (!begun) return end(begun);
    end_if_over();
  }

  void OnWriteDone(bool written) override {
    if (!written) return end(fail(Code::conflict, "cancelled"));
    if (const v1::SandboxStreamEvent* next = outbox_.next()) return write_from(*next);
    end_if_over();
  }
  void OnCancel() override { end(fail(Code::conflict, "cancelled")); }

 private:
  std::chrono::seconds interval() const override { return std::chrono::seconds(1); }

  Result<> start() {
    TRY_ASSIGN(filter_, log_filter(request_));
    TRY(admit_stream(Requested::By::id, request_.id()));
    TRY(deps_.store.sandbox_by_id(request_.id()));
    if (request_.follow_logs()) skip_to_tail();
    return look_now();
  }

  // Of what is there already, only as much as was asked for.
  void skip_to_tail() {
    const auto lines = deps_.logs.lines(request_.id(), 0);
    const std::size_t wanted = request_.log_tail_lines();
    if (lines.size() > wanted) last_line_ = lines[lines.size() - wanted - 1].number;
  }

  Result<> on_look() override {
    TRY_ASSIGN(const SandboxRow row, deps_.store.sandbox_by_id(request_.id()));
    // Of the states only the newest is of interest: the next look tells it.
    const bool wanted =
        request_.follow_status() || request_.stop_on_terminal() || last_status_.empty();
    if (wanted && outbox_.is_empty()) TRY(look_at_status(row));
    return request_.follow_logs() ? look_at_logs() : Result<>();
  }

  Result<> look_at_status(const SandboxRow& row) {
    const Principal reader;  // fill() does not ask who reads
    v1::SandboxStreamEvent event;
    TRY(fill({deps_, reader, context_}, row, *event.mutable_sandbox()));
    const v1::SandboxPhase phase = event.sandbox().status().phase();
    const std::string text = serialize(event);
    if (text != last_status_) TRY(send(std::move(event)));
    last_status_ = text;
    const bool terminal = phase == v1::SANDBOX_PHASE_READY || phase == v1::SANDBOX_PHASE_ERROR;
    if (terminal && request_.stop_on_terminal()) {
      over_ = true;
      end_if_over();
    }
    return {};
  }

  Result<> look_at_logs() {
    for (const LogLine& line : deps_.logs.lines(request_.id(), last_line_)) {
      last_line_ = line.number;
      if (!filter_.takes(line)) continue;
      v1::SandboxStreamEvent event;
      *event.mutable_log() = wire_of(request_.id(), line);
      TRY(send(std::move(event)));
    }
    return {};
  }

  Result<> send(v1::SandboxStreamEvent event) {
    const auto added = outbox_.add(std::move(event));
    if (!added.taken) return fail(Code::exhausted, "the stream is not read fast enough");
    if (added.first != nullptr) write_from(*added.first);
    return {};
  }
  // What was to be told is told first.
  void end_if_over() {
    if (over_ && outbox_.is_empty()) end({});
  }

  const v1::WatchSandboxRequest request_;
  LogFilter filter_;
  Outbox<v1::SandboxStreamEvent> outbox_;
  std::uint64_t last_line_ = 0;
  std::string last_status_;
  std::atomic<bool> over_ = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::SandboxStreamEvent>* open_watch_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps,
    const v1::WatchSandboxRequest& request) {
  return WatchStream::open(std::make_shared<WatchStream>(context, deps, request));
}

}  // namespace keyward::gateway
