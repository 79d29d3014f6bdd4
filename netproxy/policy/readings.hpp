#pragma once
// The ways in which a server may understand a path.  Rules are matched against all of them, so that
// a spelling which the upstream reads differently opens nothing.  Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/policy/policy.hpp"

namespace keyward::netproxy {

struct PathReadings {
  std::string plain;  // percent-decoded
  // Also without `;parameters` (general rules), with `//` as `/` and with dot segments resolved;
  // absent where that changes nothing.
  std::optional<std::string> lenient;

  // For what allows: every reading must match.  For what denies: one is enough.
  bool all_match(std::string_view pattern) const;
  bool any_matches(std::string_view pattern) const;
};

// `canonical` comes from canonical_path with the same rules.  Errors: Code::invalid, the lenient
// reading leads above the root.
Result<PathReadings> read_path(std::string_view canonical, PathRules rules);

// A path pattern in the percent-decoded form that matches readings.  Refuses a malformed escape and
// an escaped wildcard, which would turn into a live one; `[*]` is a literal star.
Result<std::string> decode_pattern(std::string_view pattern);

}  // namespace keyward::netproxy
