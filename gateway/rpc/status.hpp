#pragma once
// Errors as gRPC statuses, in one place.

#include <grpcpp/support/status.h>

#include <array>
#include <string_view>

#include "base/result.hpp"

namespace keyward::gateway {

// What only the log may tell: how the gateway itself is made, and what ails it.
inline bool is_own_trouble(const Error& error) {
  return error.code == Code::internal || error.code == Code::io || error.code == Code::unavailable;
}

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
    case Code::conflict:
      return {grpc::StatusCode::ABORTED, error.what};
    case Code::exhausted:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.what};
    case Code::unavailable:
      return {grpc::StatusCode::UNAVAILABLE, "the gateway's database does not answer; try again"};
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

// The name of the wire contract, for people and metrics.
inline std::string_view status_name(grpc::StatusCode code) {
  constexpr std::array<std::string_view, 17> names = {"OK",
                                                      "CANCELLED",
                                                      "UNKNOWN",
                                                      "INVALID_ARGUMENT",
                                                      "DEADLINE_EXCEEDED",
                                                      "NOT_FOUND",
                                                      "ALREADY_EXISTS",
                                                      "PERMISSION_DENIED",
                                                      "RESOURCE_EXHAUSTED",
                                                      "FAILED_PRECONDITION",
                                                      "ABORTED",
                                                      "OUT_OF_RANGE",
                                                      "UNIMPLEMENTED",
                                                      "INTERNAL",
                                                      "UNAVAILABLE",
                                                      "DATA_LOSS",
                                                      "UNAUTHENTICATED"};
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names.at(index) : "UNKNOWN";
}

}  // namespace keyward::gateway
