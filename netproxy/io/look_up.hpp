#pragma once
// Names to addresses for those who may wait.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "netproxy/io/proxy.hpp"

namespace keyward::netproxy {

// As Resolver::resolve, with the settings' names and servers; blocks the caller.  Any thread.
Result<std::vector<Address>> look_up(const ProxySettings& settings, const std::string& host);

}  // namespace keyward::netproxy
