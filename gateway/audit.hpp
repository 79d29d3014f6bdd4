#pragma once
// The gateway's audit trail: one JSON line per authentication and authorization decision (OCSF 1.8,
// class 3002 Authentication where it failed, 6003 API Activity otherwise).  Never a token, never a
// credential, and of what a caller sends only the beginning.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keyward::gateway {

struct ApiDecision {
  std::string_view method;
  std::string_view caller;      // "sandbox:ID", "operator", "anonymous"
  std::string_view sandbox_id;  // that the request names
  const Error* refusal = nullptr;
  std::string_view target{};  // the name of what else it is about
  std::string_view source{};  // the address that called; empty: the operator's socket
};

class AuditLog {
 public:
  // "-" = standard error; otherwise appended to, 0600.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path, const Clock& clock);
  AuditLog(UniqueFd fd, const Clock& clock) : fd_(std::move(fd)), clock_(clock) {}
  // Any thread.  What could not be written is said once on the log, and counted: the next record
  // that is written tells how many are missing before it.
  void record(const ApiDecision& decision);

 private:
  void write(const std::string& line);

  std::mutex mutex_;  // guards what follows
  UniqueFd fd_;
  const Clock& clock_;
  std::uint64_t sequence_ = 0;
  std::uint64_t dropped_ = 0;  // since the last record that was written
  bool torn_ = false;          // the last line there is the beginning of one
};

}  // namespace keyward::gateway
