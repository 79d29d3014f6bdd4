#pragma once
// What operators name, and what may become an environment variable: checked where a record is made.

#include <string_view>

#include "base/result.hpp"

namespace keyward::gateway {

// A DNS label (RFC 1123): lower-case letters, digits and inner hyphens, at most 63.
Result<> check_name(std::string_view kind, std::string_view name);

// [A-Za-z_][A-Za-z0-9_]*, at most 128, and none that steers the supervisor, the loader or a shell.
Result<> check_variable(std::string_view name);

// At most 16 KiB, no control bytes.  The value is never in the error.
Result<> check_value(std::string_view name, std::string_view value);

}  // namespace keyward::gateway
