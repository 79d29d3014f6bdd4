#pragma once
// Which lines of a sandbox's log a user asks for, and how they look on the wire.

#include <string>

#include "base/result.hpp"
#include "gateway/log_book.hpp"
#include "sandboxes.pb.h"

namespace keyward::gateway {

struct LogFilter {
  TimePoint since;
  std::size_t severity = 0;  // of trace, debug, info, warn, error; unknown levels always pass
  bool nothing = false;      // other sources than sandboxes: there are none

  bool takes(const LogLine& line) const;
};

// Code::invalid names the field.
Result<LogFilter> log_filter(const openshell::v1::GetSandboxLogsRequest& request);
Result<LogFilter> log_filter(const openshell::v1::WatchSandboxRequest& request);

openshell::v1::SandboxLogLine wire_of(const std::string& sandbox_id, const LogLine& line);

}  // namespace keyward::gateway
