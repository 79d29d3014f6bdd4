#pragma once
// Calls of methods that no service of ours has: who looks around is limited and leaves a record, as
// with the methods that there are.

#include <grpcpp/generic/async_generic_service.h>

#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  explicit UnknownMethods(const ServiceDeps& deps) : deps_(deps) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  const ServiceDeps deps_;
};

}  // namespace keyward::gateway
