#include "gateway/rpc/guarded_stream.hpp"
#include "gateway/rpc/streams.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr int nameless_limit = 8;  // batches
constexpr int batch_limit = 500;   // lines; the message limit bounds their bytes

LogLine line_of(v1::SandboxLogLine& wire) {
  LogLine line;
  line.time = TimePoint(std::chrono::milliseconds(wire.timestamp_ms()));
  line.level = std::move(*wire.mutable_level());
  line.target = std::move(*wire.mutable_target());
  line.message = std::move(*wire.mutable_message());
  for (auto& [name, value] : *wire.mutable_fields()) line.fields.emplace(name, std::move(value));
  return line;
}

class LogStream final : public GuardedStream<grpc::ServerReadReactor<v1::PushSandboxLogsRequest>> {
 public:
  LogStream(grpc::CallbackServerContext& context, const ServiceDeps& deps)
      : GuardedStream(context, deps, "PushSandboxLogs") {}

  void begin() override { read_into(batch_); }

  void OnReadDone(bool more) override {
    if (!more) return end({});
    if (const Result<> taken = take(); !taken) return end(taken);
    batch_.Clear();
    read_into(batch_);
  }

 private:
  Result<> take() {
    TRY(check_size(batch_));
    const std::string& id = batch_.sandbox_id();
    // As OpenShell's gateway does: skipped.
    if (id.empty())
      return ++nameless_ < nameless_limit ? Result<>()
                                          : fail(Code::invalid, "sandbox_id is required");
    if (!is_admitted())
      TRY(admit_stream(Requested::By::id, id));
    else if (id != sandbox_id())
      return fail(Code::denied, "log stream sandbox_id changed after validation");
    else
      TRY(check_frame());
    if (batch_.logs_size() > batch_limit)
      return fail(Code::invalid,
                  "more than " + std::to_string(batch_limit) + " lines in one batch");
    std::vector<LogLine> lines;
    for (v1::SandboxLogLine& line : *batch_.mutable_logs()) lines.push_back(line_of(line));
    deps_.logs.add(id, std::move(lines));
    return {};
  }

  Result<> check_frame() {
    TRY(count_frame());
    return check_again();
  }

  v1::PushSandboxLogsRequest batch_;
  int nameless_ = 0;
};

}  // namespace

grpc::ServerReadReactor<v1::PushSandboxLogsRequest>* open_log_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps) {
  return LogStream::open(std::make_shared<LogStream>(context, deps));
}

}  // namespace keyward::gateway
