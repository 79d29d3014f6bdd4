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
  const auto code = static_cast<grpc::StatusCode>(grpc_code(error.code));
  if (error.code == Code::unavailable)
    return {code, "the gateway waits for its database or an issuer; try again"};
  return {code, is_own_trouble(error) ? "internal error" : error.what};
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
