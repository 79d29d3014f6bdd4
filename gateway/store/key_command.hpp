#pragma once
// `--key-command PROGRAM`: the store key from a program, so that a key management service can keep
// it wrapped and no disk holds it.

#include <chrono>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct KeyCommandLimits {
  std::chrono::milliseconds deadline{10'000};
  std::size_t output = 4096;  // bytes
};

// What the program prints is the text of a key file (sealing.hpp).  Only a trusted program is
// started (trusted_program.hpp), without a shell, without arguments, in `/`, with PATH and nothing
// else in its environment, with /dev/null as input and our standard error.  It has to close its
// output and to end with 0 before the deadline; when this returns, it and its process group are
// gone.  Anything else is an error, and no error text holds what it printed.
Result<Secret> read_store_key_from(const std::string& program, const KeyCommandLimits& limits = {});

}  // namespace keyward::gateway
