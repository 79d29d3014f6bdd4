#pragma once
// The compiled policy and the two questions that the proxy asks: may this tunnel be opened, may
// this request pass? Pure and immutable: shared by all threads as shared_ptr<const Policy>.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "netproxy/guard/address.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::netproxy {

// Where a request wants to go.  `host` is canonical (see canonical_host), an IP literal has no
// brackets.
struct Destination {
  std::string host;
  std::uint16_t port = 0;
};

// Lower-cases, strips one trailing dot, and refuses what is neither an LDH name (RFC 1123) nor a
// canonical IP literal: NUL, blanks, userinfo, percent signs, zones, decimal, octal or hex forms of
// IPv4.  The result is what is matched and what is resolved.
Result<std::string> canonical_host(std::string_view host);

// One endpoint of the policy as the rest of a request's path sees it.  Lives as long as its Policy.
struct Endpoint {
  std::string rule;  // key of the network policy it stands in
  EndpointModel model;
  std::vector<AddressRange> allowed_ips;  // parsed
};

enum class Denial {
  none,
  no_endpoint,  // no rule names host and port
  binary,       // a rule names them, but not for this program
  no_rule,      // endpoint matched, method and path are not allowed
  deny_rule,    // a deny_rules entry matched
  bad_path,     // malformed or ambiguous path (encoded slash, dot underflow, control bytes)
  no_policy,    // nothing loaded: everything is denied
};

struct Verdict {
  bool allowed = false;
  bool audited = false;  // allowed only because enforcement is audit
  bool inspect =
      false;  // of a tunnel: its requests are decided one by one, so it is opened (protocol: rest)
  Denial denial = Denial::none;
  const Endpoint* endpoint = nullptr;  // the one that decided; null when none matched
  std::string path;    // of a request: the canonical path, which is decided, signed and forwarded
  std::string detail;  // one sentence for people: what was missing, what would allow it
};

class Policy {
 public:
  // Holds in the place of a policy that there is not: denies everything as no_policy, for `reason`,
  // a sentence for the client to read.
  static Policy closed(std::string reason);
  bool is_closed() const { return !closed_for_.empty(); }

  // `executables`: the program that opened the connection and its ancestors, canonical paths,
  // nearest first; empty when no rule needs them (needs_executables() is false).
  Verdict decide_connect(const Destination& to, std::span<const std::string> executables) const;

  // `path` as received, without the query.  Each endpoint reads it by its own rules
  // (canonical_path): S3's where it signs for S3, the general ones elsewhere.  Deny rules of every
  // matching endpoint win; among those that allow, the one with the longest `path` pattern decides.
  // Patterns match the percent-decoded path, and where a server could read it in another way too
  // (`;parameters`, `//`, dot segments of an S3 key), an allowing pattern must match both readings
  // and a denying one either (netproxy/policy/readings.hpp).  An endpoint without protocol: rest
  // allows every request, as its tunnel would.
  Verdict decide_request(const Destination& to, std::string_view method, std::string_view path,
                         std::span<const std::string> executables) const;

  bool needs_executables() const {
    return needs_executables_;
  }  // some rule names binaries other than "**"
  const std::string& hash() const { return hash_; }  // hex SHA-256 of the model in canonical form

 private:
  friend Result<Policy> compile(const PolicyModel& model);
  struct Rule {
    std::vector<std::string> binaries;
    std::vector<std::shared_ptr<const Endpoint>> endpoints;
  };
  struct Candidates {
    std::vector<const Endpoint*> endpoints;  // longest path pattern first
    bool other_program = false;  // a rule names the destination, but not for this program
  };
  Candidates candidates(const Destination& to, std::span<const std::string> executables) const;

  std::vector<Rule> rules_;
  std::string hash_;
  std::string closed_for_;  // empty: the rules hold
  bool needs_executables_ = false;
};

// Refuses what cannot be decided: bad globs, allowed_ips that touch never-open ranges, endpoints
// that overlap and differ in how the connection is treated (tls, signing, allowed_ips).
Result<Policy> compile(const PolicyModel& model);

// The path on which a request is decided (percent-decoded unreserved characters, upper-case
// escapes).  For the S3 family
// `//`, `.` and `..` are data and stay; elsewhere dot segments are resolved and an underflow is
// refused.
enum class PathRules { general, s3_verbatim };
Result<std::string> canonical_path(std::string_view raw, PathRules rules, bool allow_encoded_slash);

// The services whose object keys are paths: no normalization, single encoding.
bool is_s3_family(std::string_view service);

std::string_view to_string(
    Denial denial);  // "no_endpoint" …, the machine word of answers and audit

}  // namespace keyward::netproxy
