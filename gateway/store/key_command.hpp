#pragma once
// `--key-command PROGRAM`: the store key from a program, so that a key management service can keep
// it wrapped and no disk holds it.

#include <string>

#include "base/program.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

// What the program prints is the text of a key file (sealing.hpp).  How it is started, and what is
// asked of it, stands in base/program.hpp.
Result<Secret> read_store_key_from(const std::string& program, const ProgramLimits& limits = {});

}  // namespace keyward::gateway
