#include "gateway/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/log.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t given_limit = 128, detail_limit = 512;  // bytes

// A caller decides how long it is, and may be anybody.
std::string quote_given(std::string_view text) {
  return log::json_quote(utf8_prefix(text, given_limit));
}

// The sandbox by its id or name, and what else the call is about by its name.
std::string resources_of(const ApiDecision& decision) {
  std::string list;
  if (!decision.sandbox_id.empty())
    list += "{\"type\":\"sandbox\",\"uid\":" + quote_given(decision.sandbox_id) + "}";
  if (!decision.target.empty())
    list += (list.empty() ? "" : ",") + ("{\"name\":" + quote_given(decision.target)) + "}";
  return list.empty() ? list : ",\"resources\":[" + list + "]";
}

std::string source_of(const ApiDecision& decision) {
  return decision.source.empty() ? R"({"name":"operator socket"})"
                                 : "{\"ip\":" + quote_given(decision.source) + "}";
}

}  // namespace

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
  const std::string user = "{\"name\":" + quote_given(decision.caller) + "}";
  const std::string service = R"({"name":"keyward-gateway"})";
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
      ",\"api\":{\"operation\":" + quote_given(decision.method) + ",\"service\":" + service + "}" +
      ",\"actor\":{\"user\":" + user + "},\"src_endpoint\":" + source_of(decision) +
      ",\"status_id\":" + (decision.refusal != nullptr ? "2" : "1");
  if (decision.refusal != nullptr)
    line +=
        ",\"status_detail\":" + log::json_quote(utf8_prefix(decision.refusal->what, detail_limit));
  if (authentication) line += ",\"user\":" + user + ",\"service\":" + service;
  if (dropped_ > 0) line += ",\"unmapped\":{\"records_dropped\":" + std::to_string(dropped_) + "}";
  line += resources_of(decision);
  write(line + "}\n");
}

void AuditLog::write(const std::string& line) {
  const std::string whole = torn_ ? "\n" + line : line;
  const ssize_t written = ::write(fd_.get(), whole.data(), whole.size());
  if (written == static_cast<ssize_t>(whole.size())) {
    if (dropped_ > 0)
      log::warn("audit_written_again", {{"records_dropped", std::to_string(dropped_)}});
    dropped_ = 0;
    torn_ = false;
    return;
  }
  if (dropped_++ == 0)
    log::error("audit_not_written", {{"detail", written < 0 ? fail_errno("write").value().what
                                                            : std::string("a short write")},
                                     {"effect", "decisions go without a record"}});
  torn_ = torn_ || written > 0;
}

}  // namespace keyward::gateway
