#pragma once
// Where the SPIFFE Workload API is (SPIFFE Workload Endpoint standard, section 4).  Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/environment.hpp"
#include "base/result.hpp"

namespace keyward::identity {

constexpr const char* workload_socket_variable = "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET";
constexpr const char* spiffe_socket_variable = "SPIFFE_ENDPOINT_SOCKET";

struct WorkloadEndpoint {
  std::string path;  // of a unix socket; absolute, without empty or dot components
  bool operator==(const WorkloadEndpoint&) const = default;
};

// `unix:///PATH`, `unix:/PATH` or `/PATH`.  Refused with the reason: tcp: and abstract sockets,
// which no view of the file system can hide from the sandboxed program, relative paths, and what is
// longer than a socket's path can be.  Errors begin with `setting`, the name of where it was set.
Result<WorkloadEndpoint> parse_workload_endpoint(std::string_view setting, std::string_view text);

// OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET, else SPIFFE_ENDPOINT_SOCKET; none: neither is set.
// An empty variable counts as not set.
Result<std::optional<WorkloadEndpoint>> find_workload_endpoint(const EnvironmentMap& environment);

}  // namespace keyward::identity
