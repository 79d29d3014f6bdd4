#pragma once
// Names to addresses for those who may wait.

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "netproxy/io/proxy.hpp"

namespace keyward::netproxy {

// As Resolver::resolve, with the settings' names and servers; blocks the caller.  Any thread.  Once
// `stop` is requested it fails at once.
Result<std::vector<Address>> look_up(const ProxySettings& settings, const std::string& host,
                                     const std::stop_token& stop = {});

}  // namespace keyward::netproxy
