#include "gateway/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.hpp"

namespace keyward::gateway {

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, const Clock& clock) {
  UniqueFd fd(path == "-" ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
                          : ::open(path.c_str(),
                                   O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno("--audit-log " + path);
  return std::make_unique<AuditLog>(std::move(fd), clock);
}

void AuditLog::record(const ApiDecision& decision) {
  const bool authentication =
      decision.refusal != nullptr && decision.refusal->code == Code::unauthenticated;
  const int type = authentication ? 3002 : 6003, category = authentication ? 3 : 6;
  const int activity = authentication ? 1 : 99;
  const std::lock_guard lock(mutex_);
  std::string line =
      "{\"class_uid\":" + std::to_string(type) + ",\"category_uid\":" + std::to_string(category) +
      ",\"activity_id\":" + std::to_string(activity) +
      ",\"type_uid\":" + std::to_string(type * 100 + activity) +
      ",\"severity_id\":" + (decision.refusal != nullptr ? "3" : "1") +
      ",\"time\":" + std::to_string(clock_.now().time_since_epoch().count()) +
      ",\"metadata\":{\"version\":\"1.8.0\",\"sequence\":" + std::to_string(++sequence_) +
      ",\"product\":{\"name\":\"Keyward "
      "gateway\",\"vendor_name\":\"Keyward\",\"version\":\"" KEYWARD_VERSION "\"}}" +
      ",\"api\":{\"operation\":" + log::json_quote(decision.method) + "}" +
      ",\"actor\":{\"user\":{\"name\":" + log::json_quote(decision.caller) + "}}" +
      ",\"status_id\":" + (decision.refusal != nullptr ? "2" : "1");
  if (decision.refusal != nullptr)
    line += ",\"status_detail\":" + log::json_quote(decision.refusal->what);
  if (!decision.sandbox_id.empty())
    line +=
        ",\"resources\":[{\"type\":\"sandbox\",\"uid\":" + log::json_quote(decision.sandbox_id) +
        "}]";
  line += "}\n";
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), line.data(), line.size());
}

}  // namespace keyward::gateway
