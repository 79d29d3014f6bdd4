#pragma once
// Programs of the operator whose output is a secret.

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward {

struct ProgramLimits {
  std::chrono::milliseconds deadline{10'000};
  std::size_t output = 4096;  // bytes
};

// Starts words[0], which must be a trusted program (trusted_program.hpp), with the words as its
// arguments: without a shell, in `/`, with PATH and nothing else in its environment, with /dev/null
// as input and our standard error.  It has to close its output and to end with 0 before the
// deadline; when this returns, it and its process group are gone.  Anything else is an error, and
// no error text holds what it printed.
Result<Secret> program_output(const std::vector<std::string>& words, const ProgramLimits& limits);

}  // namespace keyward
