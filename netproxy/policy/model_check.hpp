#pragma once
// What must hold of a policy's parts, whether they came from a file or from the gateway.  Pure.

#include "base/result.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::netproxy {

// Errors: Code::invalid; the text names the keys that do not fit together.
Result<> check_endpoint(const EndpointModel& endpoint);

// Absolute, without `..` components and control bytes, at most 4096 bytes (PATH_MAX).
Result<> check_filesystem_path(const std::string& path);
Result<> check_filesystem(const FilesystemModel& filesystem);

}  // namespace keyward::netproxy
