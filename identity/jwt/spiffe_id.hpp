#pragma once
// SPIFFE IDs (SPIFFE-ID standard, section 2).  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::identity {

struct SpiffeId {
  std::string trust_domain;  // lower-case letters, digits, `.`, `-`, `_`
  std::string path;          // empty, or segments that each begin with `/`
  std::string text() const { return "spiffe://" + trust_domain + path; }
  bool operator==(const SpiffeId&) const = default;
};

// At most 2048 bytes; no query, fragment, port, user information, percent-encoding, empty or dot
// segments.  There is one spelling of each ID, so that IDs may be compared as texts.
Result<SpiffeId> parse_spiffe_id(std::string_view text);

}  // namespace keyward::identity
