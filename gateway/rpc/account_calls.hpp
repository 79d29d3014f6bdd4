#pragma once
// What callers ask about themselves and about the gateway.

#include "gateway/rpc/call_context.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

void fill(openshell::v1::HealthResponse& response);
Result<> get_current_user(const CallContext& call,
                          const openshell::v1::GetCurrentUserRequest& request,
                          openshell::v1::GetCurrentUserResponse& response);
Result<> get_gateway_info(const CallContext& call,
                          const openshell::v1::GetGatewayInfoRequest& request,
                          openshell::v1::GetGatewayInfoResponse& response);

}  // namespace keyward::gateway
