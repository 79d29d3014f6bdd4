#pragma once
// `supervisor debug-rpc`: who this sandbox is for its gateway, from the outside of the sandbox.

#include "supervisor/options.hpp"

namespace keyward::supervisor {

// Asks the running supervisor over its control socket; only where none runs it uses the token of
// the environment or the file itself.  Prints the answer on stdout, or "CodeName: message" on
// stderr, and returns the gRPC code (0 = good), which is the exit code.
int debug_rpc(const DebugRpcOptions& options);

}  // namespace keyward::supervisor
