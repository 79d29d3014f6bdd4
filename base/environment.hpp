#pragma once
// The process's environment: secrets are moved out of it, the rest is read as a map.  Before the
// first thread.

#include <map>
#include <string>
#include <vector>

#include "base/secret.hpp"

namespace keyward {

using EnvironmentMap = std::map<std::string, std::string>;
using SecretVariables = std::map<std::string, Secret>;

// Moves the named variables out: their bytes in the process's environment block (/proc/PID/environ)
// are overwritten in place, and the names are gone.
SecretVariables take_secret_variables(const std::vector<std::string>& names);

EnvironmentMap environment_map();

}  // namespace keyward
