#pragma once
// The audit trail as a file of JSON lines (netproxy/audit/ocsf.hpp), written by a thread of its
// own.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/audit/sink.hpp"

namespace keyward::netproxy {

// What waits for the writer, over all threads.  Beyond it events are dropped and counted.
constexpr std::size_t audit_queue_limit = std::size_t{4} << 20;  // bytes

// Appends to `path` (created 0600, missing directories 0700); "-" is standard error.  Refuses what
// is no regular file, or what users other than its owner (root or the caller) can write.  A line
// reaches the file within about 10 ms; the destructor writes what is waiting, for at most a second.
// `clock` must outlive the sink.
Result<std::unique_ptr<AuditSink>> open_audit_file(const std::string& path, const Clock& clock);

// The same on an open file, pipe or socket.
std::unique_ptr<AuditSink> open_audit_fd(UniqueFd fd, const Clock& clock);

}  // namespace keyward::netproxy
