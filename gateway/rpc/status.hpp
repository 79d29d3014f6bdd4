#pragma once
// Errors as gRPC statuses, in one place.

#include <grpcpp/support/status.h>

#include "base/result.hpp"

namespace keyward::gateway {

inline grpc::Status to_status(const Error& error) {
  switch (error.code) {
    case Code::invalid:
      return {grpc::StatusCode::INVALID_ARGUMENT, error.what};
    case Code::denied:
      return {grpc::StatusCode::PERMISSION_DENIED, error.what};
    case Code::unauthenticated:
      return {grpc::StatusCode::UNAUTHENTICATED, error.what};
    case Code::not_found:
      return {grpc::StatusCode::NOT_FOUND, error.what};
    case Code::exists:
      return {grpc::StatusCode::ALREADY_EXISTS, error.what};
    case Code::unavailable:
      return {grpc::StatusCode::UNAVAILABLE, error.what};
    case Code::timeout:
      return {grpc::StatusCode::DEADLINE_EXCEEDED, error.what};
    case Code::unsupported:
      return {grpc::StatusCode::UNIMPLEMENTED, error.what};
    case Code::io:
    case Code::internal:
      break;
  }
  return {grpc::StatusCode::INTERNAL, "internal error"};  // details go to the log, not to callers
}

}  // namespace keyward::gateway
