#pragma once
// Policy files: OpenShell's YAML, read strictly.  An unknown key, a key that Keyward does not serve
// yet, a wrong type or a value outside its range is an error that says FILE:LINE:COLUMN, the key,
// and what would be right.

#include <string_view>

#include "base/result.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::netproxy {

constexpr std::size_t policy_file_limit = 262'144;  // bytes; the wire contract's limit for a policy

// `file` is used in error texts only.  Pure: reads nothing, logs nothing.
Result<PolicyModel> parse_policy(std::string_view yaml, std::string_view file);

}  // namespace keyward::netproxy
