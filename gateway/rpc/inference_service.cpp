#include <grpcpp/grpcpp.h>

#include "gateway/rpc/inference.hpp"
#include "gateway/rpc/serve_call.hpp"
#include "gateway/rpc/services.hpp"
#include "inference.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::inference::v1;

Call about(const char* method, const std::string& route) {
  return {method, Requested::By::caller, "", route.empty() ? "inference.local" : route};
}

class InferenceService final : public v1::Inference::Service {
 public:
  explicit InferenceService(ServiceDeps deps) : deps_(deps) {}

  grpc::Status GetInferenceBundle(grpc::ServerContext* context,
                                  const v1::GetInferenceBundleRequest* request,
                                  v1::GetInferenceBundleResponse* response) override {
    return serve(deps_, *context, {"GetInferenceBundle"}).by(get_bundle, *request, *response);
  }
  grpc::Status SetInferenceRoute(grpc::ServerContext* context,
                                 const v1::SetInferenceRouteRequest* request,
                                 v1::SetInferenceRouteResponse* response) override {
    return serve(deps_, *context, about("SetInferenceRoute", request->route_name()))
        .by(set_route, *request, *response);
  }
  grpc::Status GetInferenceRoute(grpc::ServerContext* context,
                                 const v1::GetInferenceRouteRequest* request,
                                 v1::GetInferenceRouteResponse* response) override {
    return serve(deps_, *context, about("GetInferenceRoute", request->route_name()))
        .by(get_route, *request, *response);
  }
  grpc::Status DeleteInferenceRoute(grpc::ServerContext* context,
                                    const v1::DeleteInferenceRouteRequest* request,
                                    v1::DeleteInferenceRouteResponse* response) override {
    return serve(deps_, *context, about("DeleteInferenceRoute", request->route_name()))
        .by(delete_route, *request, *response);
  }

 private:
  ServiceDeps deps_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_inference_service(ServiceDeps deps) {
  return std::make_unique<InferenceService>(deps);
}

}  // namespace keyward::gateway
