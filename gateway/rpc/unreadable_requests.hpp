#pragma once
// Requests that gRPC refuses before a handler sees them, since they are no message of their method.
// They leave a record, as refused ones do, and count against the limits of who sends them.  (Of one
// that is larger than gRPC takes, nobody learns.)

#include <grpcpp/support/server_interceptor.h>

#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

// Of a stream that the client writes, only its admission is recorded: its first message is read by
// the handler.
class UnreadableRequests final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit UnreadableRequests(const ServiceDeps& deps) : deps_(deps) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;  // gRPC's; null: nothing to watch

 private:
  const ServiceDeps deps_;
};

}  // namespace keyward::gateway
