#pragma once
// The program's life: everything is built, requests are served until a signal ends it, and what is
// under way then ends first.

#include "base/result.hpp"
#include "sigv4proxy/credentials.hpp"
#include "sigv4proxy/options.hpp"

namespace keyward::sigv4proxy {

// Blocks SIGTERM, SIGINT, SIGQUIT and SIGHUP for the calling thread, which must be the only one.
Result<> serve(const Options& options, const Environment& environment);

}  // namespace keyward::sigv4proxy
