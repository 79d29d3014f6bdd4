#pragma once
// `supervisor debug-rpc`: who this sandbox is for its gateway, from the outside of the sandbox.

#include "supervisor/options.hpp"

namespace keyward::supervisor {

// Asks the running supervisor over its control socket; only where none runs it uses the token of
// the environment or the file itself.  Prints the answer on stdout, or "CodeName: message" on
// stderr (with --json both, and the failure as an object), and returns the gRPC code (0 = good),
// which is the exit code.
int debug_rpc(const DebugRpcOptions& options);

// Are these the arguments of debug-rpc?  Then its failures are told in its own way, also those
// that come before it runs: prints, and returns the exit code.
bool is_debug_rpc(const std::vector<std::string>& arguments);
int debug_rpc_failure(const Error& error);

}  // namespace keyward::supervisor
