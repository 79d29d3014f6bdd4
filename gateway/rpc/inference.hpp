#pragma once
// Where requests to models go: routes that name a provider and a model.

#include "gateway/rpc/call_context.hpp"
#include "inference.pb.h"

namespace keyward::gateway {

// The routes whose provider the calling sandbox has attached, with their keys; no others.
Result<> get_bundle(const CallContext& call,
                    const openshell::inference::v1::GetInferenceBundleRequest& request,
                    openshell::inference::v1::GetInferenceBundleResponse& response);

Result<> set_route(const CallContext& call,
                   const openshell::inference::v1::SetInferenceRouteRequest& request,
                   openshell::inference::v1::SetInferenceRouteResponse& response);
Result<> get_route(const CallContext& call,
                   const openshell::inference::v1::GetInferenceRouteRequest& request,
                   openshell::inference::v1::GetInferenceRouteResponse& response);
Result<> delete_route(const CallContext& call,
                      const openshell::inference::v1::DeleteInferenceRouteRequest& request,
                      openshell::inference::v1::DeleteInferenceRouteResponse& response);

}  // namespace keyward::gateway
