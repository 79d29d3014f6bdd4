#include "gateway/rpc/log_stream.hpp"

#include "base/log.hpp"
#include "gateway/rpc/admission.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr const char* method = "PushSandboxLogs";
constexpr int batch_limit = 500;  // lines; the message limit bounds their bytes

LogLine line_of(v1::SandboxLogLine& wire) {
  LogLine line;
  line.time = TimePoint(std::chrono::milliseconds(wire.timestamp_ms()));
  line.level = std::move(*wire.mutable_level());
  line.target = std::move(*wire.mutable_target());
  line.message = std::move(*wire.mutable_message());
  for (auto& [name, value] : *wire.mutable_fields()) line.fields.emplace(name, std::move(value));
  return line;
}

class LogStream final : public grpc::ServerReadReactor<v1::PushSandboxLogsRequest> {
 public:
  LogStream(grpc::CallbackServerContext& context, const ServiceDeps& deps)
      : context_(context), deps_(deps) {
    StartRead(&batch_);
  }

  void OnReadDone(bool more) override {
    if (!more) return end({});
    if (const Result<> taken = take(); !taken) return end(taken);
    batch_.Clear();
    StartRead(&batch_);
  }
  void OnDone() override { self_.reset(); }

  // gRPC keeps a bare pointer until OnDone().
  static LogStream* open(grpc::CallbackServerContext& context, const ServiceDeps& deps) {
    auto stream = std::make_unique<LogStream>(context, deps);
    LogStream& opened = *stream;
    opened.self_ = std::move(stream);
    return &opened;
  }

 private:
  void end(const Result<>& done) {
    Finish(end_call(deps_, {method, Requested::By::id, sandbox_id_}, done));
  }

  Result<> take() {
    const std::string& id = batch_.sandbox_id();
    if (id.empty()) return {};  // as OpenShell's gateway does: skipped
    if (!sandbox_id_.empty() && id != sandbox_id_)
      return fail(Code::denied, "log stream sandbox_id changed after validation");
    TRY(sandbox_id_.empty() ? admit_first(id) : check_again());
    if (batch_.logs_size() > batch_limit)
      return fail(Code::invalid,
                  "more than " + std::to_string(batch_limit) + " lines in one batch");
    std::vector<LogLine> lines;
    for (v1::SandboxLogLine& line : *batch_.mutable_logs()) lines.push_back(line_of(line));
    deps_.logs.add(id, std::move(lines));
    return {};
  }

  Result<> admit_first(const std::string& id) {
    TRY(admit(deps_, context_, {method, Requested::By::id, id}));
    sandbox_id_ = id;
    return {};
  }

  // Not by admit(): a batch is neither a decision to be recorded nor a call to be counted.
  Result<> check_again() {
    const auto principal = authenticate(deps_, context_, method);
    // Not UNAUTHENTICATED: OpenShell's supervisor would then never push again.
    if (!principal && principal.error().code == Code::unauthenticated)
      return fail(Code::conflict,
                  "the token does not authenticate any more; open the stream anew with the current "
                  "one");
    if (!principal) return tl::unexpected(principal.error());
    return authorize(*principal, method, {Requested::By::id, sandbox_id_});
  }

  grpc::CallbackServerContext& context_;
  const ServiceDeps deps_;
  v1::PushSandboxLogsRequest batch_;
  std::string sandbox_id_;  // empty: not admitted yet
  std::unique_ptr<LogStream> self_;
};

}  // namespace

grpc::ServerReadReactor<v1::PushSandboxLogsRequest>* open_log_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps) {
  return LogStream::open(context, deps);
}

}  // namespace keyward::gateway
