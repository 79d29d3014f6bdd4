#include "gateway/rpc/log_view.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr std::array<std::string_view, 5> levels = {"trace", "debug", "info", "warn", "error"};

std::size_t severity_of(const std::string& level) {
  const auto found = std::find(levels.begin(), levels.end(), lower(level));
  return static_cast<std::size_t>(found - levels.begin());
}

using Sources = google::protobuf::RepeatedPtrField<std::string>;

Result<LogFilter> filter_of(std::int64_t since_ms, const Sources& sources,
                            const std::string& min_level) {
  if (since_ms < 0) return fail(Code::invalid, "the time must not be negative");
  LogFilter filter{TimePoint(std::chrono::milliseconds(since_ms))};
  if (!min_level.empty()) filter.severity = severity_of(min_level);
  if (filter.severity >= levels.size())
    return fail(Code::invalid, "the least level: trace, debug, info, warn or error");
  filter.nothing =
      !sources.empty() && std::find(sources.begin(), sources.end(), "sandbox") == sources.end();
  return filter;
}

}  // namespace

bool LogFilter::takes(const LogLine& line) const {
  return !nothing && line.time >= since && severity_of(line.level) >= severity;
}

Result<LogFilter> log_filter(const v1::GetSandboxLogsRequest& request) {
  return filter_of(request.since_ms(), request.sources(), request.min_level());
}

Result<LogFilter> log_filter(const v1::WatchSandboxRequest& request) {
  return filter_of(request.log_since_ms(), request.log_sources(), request.log_min_level());
}

v1::SandboxLogLine wire_of(const std::string& sandbox_id, const LogLine& line) {
  v1::SandboxLogLine wire;
  wire.set_sandbox_id(sandbox_id);
  wire.set_timestamp_ms(line.time.time_since_epoch().count());
  wire.set_level(line.level);
  wire.set_target(line.target);
  wire.set_message(line.message);
  wire.set_source("sandbox");
  wire.mutable_fields()->insert(line.fields.begin(), line.fields.end());
  return wire;
}

}  // namespace keyward::gateway
