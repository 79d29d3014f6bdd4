#pragma once
// The process's environment: secrets are moved out of it, the rest is read as a map.  Before the
// first thread.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace keyward {

using EnvironmentMap = std::map<std::string, std::string>;
using SecretVariables = std::map<std::string, Secret>;

// Moves the named variables out: their bytes in the process's environment block (/proc/PID/environ)
// are overwritten in place, and the names are gone.
SecretVariables take_secret_variables(const std::vector<std::string>& names);

EnvironmentMap environment_map();

// A name that steers the supervisor, the loader or a shell (ld.so(8), bash(1)), or that may carry
// identity: no provider sets it.
bool is_reserved_variable(std::string_view name);

}  // namespace keyward
