#pragma once
// What a failed call of the Workload API means (SPIFFE Workload Endpoint standard, appendix A).

#include <grpcpp/support/status.h>

#include "base/result.hpp"

namespace keyward::identity {

// The code is one that agent_verdict() reads; texts of the agent are passed on, made printable and
// cut.
Error agent_error(const grpc::Status& status);

}  // namespace keyward::identity
