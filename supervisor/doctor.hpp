#pragma once
// `supervisor doctor`: what `supervisor run` with the same options and environment would find, and
// what to fix before it can work.

#include "supervisor/options.hpp"

namespace keyward::supervisor {

// Read-only: no token is refreshed or exchanged and no JWT-SVID asked for; a sandbox is built and
// confined for real, and nothing is executed in it.  The first thing of the process, with one
// thread.  Prints its findings; 0 nothing to fix, 1 something.
int doctor(const DoctorOptions& options);

}  // namespace keyward::supervisor
