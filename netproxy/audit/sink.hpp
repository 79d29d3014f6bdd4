#pragma once
// The audit trail: one JSON line per decision (OCSF 1.8, classes 4001 Network Activity and 4002
// HTTP Activity), and per question for a token or keys of a grant (3002 Authentication).

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace keyward::netproxy {

enum class Outcome {
  allowed,
  denied,
  failed
};  // failed: allowed by policy, but it could not be carried out

// The facts of one decision.  Credential names only, never values; query strings are not recorded.
struct AuditEvent {
  bool http = false;  // 4002 with method and path, else 4001
  Outcome outcome = Outcome::denied;
  std::string host;
  std::uint16_t port = 0;
  std::string address;               // dialled address, when known
  std::string method, path, scheme;  // path without query
  int status = 0;                    // answered to the client
  std::string program;  // executable that owns the connection, where the policy names binaries
  std::string rule;     // key of the network policy
  std::string policy_hash;
  std::string reason;  // machine word, e.g. "no_endpoint", "destination_ip_prohibited"
  std::string detail;
  std::string credential;  // provider name, when one was used
  std::string signing;     // "sigv4:hex_hash", "sigv4a:empty" …
  std::string signing_service, signing_region;
  std::string key_id_end;  // the last four characters of the key id that signs
  std::uint64_t bytes_up = 0, bytes_down = 0;
  std::int64_t microseconds = 0;
  bool audited = false;  // passed only because enforcement is audit
};

// A question for a token or keys of a grant, with what came of it.  Nothing that was sent or given.
struct GrantEvent {
  std::string credential;  // PROVIDER:CREDENTIAL
  std::string kind;        // "client_credentials", "aws_web_identity" …
  std::string server;      // that was asked, beside the agent; may be empty
  std::string workload;    // SPIFFE ID, where one is configured
  std::string audience;    // that the token is for, or the role whose keys they are
  bool renewal = false;    // something was held meanwhile
  bool granted = false;
  std::string reason, detail;  // a machine word and the cause, where it was not granted
  std::string key_id_end;      // of keys: the last four characters of their id
  std::int64_t lifetime_seconds = 0, microseconds = 0;
};

// Any thread.  Never blocks a request: when the sink cannot keep up it counts what it drops and
// says so in a record.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void record(const AuditEvent& event) = 0;
  virtual void record(const GrantEvent& event) = 0;
};

}  // namespace keyward::netproxy
