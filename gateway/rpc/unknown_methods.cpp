#include "gateway/rpc/unknown_methods.hpp"

#include <memory>
#include <string>

#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/source.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

// Whatever a caller sends with it is not read.
class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { const std::unique_ptr<Refusal> ended(this); }
};

grpc::Status refuse(const ServiceDeps& deps, const grpc::GenericCallbackServerContext& context) {
  if (const Result<> allowed = limit_source(deps, context); !allowed)
    return to_status(allowed.error());
  const Error unknown{Code::unsupported, "unknown method"};
  deps.audit.record(
      {context.method(), "anonymous", "", &unknown, "", address_of_peer(context.peer())});
  return {grpc::StatusCode::UNIMPLEMENTED, unknown.what};
}

}  // namespace

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const grpc::Status status = refuse(deps_, *context);
  // Not by the method's name, of which anybody could make any number.
  deps_.metrics.count_request("unknown", status_name(status.error_code()));
  return std::make_unique<Refusal>(status).release();  // gRPC's until OnDone
}

}  // namespace keyward::gateway
