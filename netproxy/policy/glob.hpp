#pragma once
// The three kinds of pattern in a policy, each matched in linear time and without backtracking over
// more than one star.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::netproxy {

// Host patterns by labels: `*` is one label, `**` (first label only) one or more leading labels,
// `a*b` a pattern within the first label.  Exact otherwise.  Hosts are lower case.
bool host_matches(std::string_view pattern, std::string_view host);
Result<> check_host_pattern(
    std::string_view pattern);  // refuses "*", "*.com", stars elsewhere, empty labels

// Path patterns: `*` and `**` match any characters, also '/'; `?` one character; `[a-z]`, `[!a]` a
// set.
bool path_matches(std::string_view pattern, std::string_view path);
Result<> check_path_pattern(std::string_view pattern);

// Program patterns: `*` stays within a path component, a component `**` stands for any number of
// them.
bool program_matches(std::string_view pattern, std::string_view path);

}  // namespace keyward::netproxy
