#include "gateway/rpc/log_view.hpp"
#include "gateway/rpc/sandboxes.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr std::size_t answer_limit = std::size_t{1} << 20;  // bytes
constexpr std::uint32_t lines_by_default = 2000;

}  // namespace

Result<> get_sandbox_logs(const CallContext& call, const v1::GetSandboxLogsRequest& request,
                          v1::GetSandboxLogsResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(const SandboxRow sandbox, call.store().sandbox_by_id(request.sandbox_id()));
  TRY_ASSIGN(const LogFilter filter, log_filter(request));
  std::vector<LogLine> lines = call.deps.logs.lines(sandbox.id, 0);
  response.set_buffer_total(static_cast<std::uint32_t>(lines.size()));
  std::erase_if(lines, [&](const LogLine& line) { return !filter.takes(line); });
  const std::size_t wanted = request.lines() == 0 ? lines_by_default : request.lines();
  // The newest ones that one answer holds, oldest first.
  std::vector<v1::SandboxLogLine> newest;
  std::size_t bytes = 0;
  for (auto line = lines.rbegin(); line != lines.rend() && newest.size() < wanted; ++line) {
    v1::SandboxLogLine wire = wire_of(sandbox.id, *line);
    bytes += wire.ByteSizeLong();
    if (bytes > answer_limit) break;
    newest.push_back(std::move(wire));
  }
  for (auto line = newest.rbegin(); line != newest.rend(); ++line)
    *response.add_logs() = std::move(*line);
  return {};
}

}  // namespace keyward::gateway
