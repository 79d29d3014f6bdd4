#pragma once
// What must hold of an endpoint, whether it came from a file or from the gateway.  Pure.

#include "base/result.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::netproxy {

// Errors: Code::invalid; the text names the keys that do not fit together.
Result<> check_endpoint(const EndpointModel& endpoint);

}  // namespace keyward::netproxy
