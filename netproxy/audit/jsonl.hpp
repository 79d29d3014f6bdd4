#pragma once
// The audit trail as a file of JSON lines.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "netproxy/audit/sink.hpp"

namespace keyward::netproxy {

// Appends to `path` (0600; its directory is made 0700 when it is missing), or to standard error for
// "-".  Records are written by a thread of their own, in the order in which they came; what is
// pending when the sink ends is still written.  When more than 65 536 wait, further ones are
// dropped, counted, and the count is recorded.
Result<std::unique_ptr<AuditSink>> open_audit_file(const std::string& path, const Clock& clock);

}  // namespace keyward::netproxy
