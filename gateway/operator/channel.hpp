#pragma once
// The way to a running gateway: its root-only socket.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace keyward::gateway {

// The socket must belong to root or to the caller: secrets are sent over it.
Result<std::shared_ptr<grpc::Channel>> operator_channel(const std::string& socket_path);

// An error with the code of the gateway's answer.
Result<> result_of(const grpc::Status& status, const std::string& socket_path);

// One call, with a deadline of ten seconds.
template <class Stub, class Method, class Request, class Response>
grpc::Status operator_call(Stub& stub, Method method, const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return (stub.*method)(&context, request, &response);
}

}  // namespace keyward::gateway
