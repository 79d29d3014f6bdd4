#include "gateway/rpc/account_calls.hpp"

namespace keyward::gateway {

namespace v1 = openshell::v1;

void fill(v1::HealthResponse& response) {
  response.set_status(v1::SERVICE_STATUS_HEALTHY);
  response.set_version(KEYWARD_VERSION);
}

Result<> get_current_user(const CallContext& call, const v1::GetCurrentUserRequest&,
                          v1::GetCurrentUserResponse& response) {
  const User& user = call.caller.user;
  response.set_subject(user.subject);
  response.set_display_name(user.display_name);
  response.mutable_roles()->Add(user.roles.begin(), user.roles.end());
  if (user.scopes) response.mutable_scopes()->Add(user.scopes->begin(), user.scopes->end());
  response.set_identity_provider(user.provider);
  return {};
}

Result<> get_gateway_info(const CallContext&, const v1::GetGatewayInfoRequest&,
                          v1::GetGatewayInfoResponse& response) {
  response.set_status(v1::SERVICE_STATUS_HEALTHY);
  response.set_gateway_version(KEYWARD_VERSION);
  return {};
}

}  // namespace keyward::gateway
