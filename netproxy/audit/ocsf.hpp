#pragma once
// One event as one line of JSON: OCSF 1.8, class 4002 HTTP Activity for requests, 4001 Network
// Activity for tunnels, 3002 Authentication for token grants.  Pure.

#include <cstdint>
#include <string>

#include "netproxy/audit/sink.hpp"

namespace keyward::netproxy {

// A longer text is cut, and the line says so (`unmapped.truncated`).
constexpr std::size_t audit_text_limit = 2048;  // bytes

// Without the line feed.  `sequence` grows by one with every record of a file, so that a gap shows.
std::string ocsf_line(const AuditEvent& event, std::uint64_t sequence, TimePoint time);
// Class 3002 Authentication, activity Service Ticket Request or Service Ticket Renew.
std::string ocsf_line(const GrantEvent& event, std::uint64_t sequence, TimePoint time);

// Said when the sink could not keep up.
std::string ocsf_dropped_line(std::uint64_t dropped, std::uint64_t sequence, TimePoint time);

}  // namespace keyward::netproxy
