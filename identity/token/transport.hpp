#pragma once
// What the refresher needs from whoever can ask the gateway; identity/rpc fills it.

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::identity {

// Status of a failed call: the gRPC code (1-16) travels beside the text, because exit codes of
// debug-rpc are gRPC codes.
struct RpcError {
  int grpc_code = 2;
  std::string message;
  bool lasting = false;  // trying again cannot help: the settings are wrong
};
template <class T = void>
using RpcResult = tl::expected<T, RpcError>;

constexpr int grpc_cancelled = 1, grpc_unknown = 2, grpc_invalid_argument = 3,
              grpc_deadline_exceeded = 4, grpc_not_found = 5, grpc_permission_denied = 7,
              grpc_resource_exhausted = 8, grpc_failed_precondition = 9, grpc_aborted = 10,
              grpc_unimplemented = 12, grpc_internal = 13, grpc_unavailable = 14,
              grpc_unauthenticated = 16;

// What IssueSandboxToken and RefreshSandboxToken answer.
struct RefreshedToken {
  Secret token;
  TimePoint expires;  // as the gateway says; the epoch where it says nothing
};

class RefreshTransport {
 public:
  virtual ~RefreshTransport() = default;
  // The same id asks for the same refresh again, for when the answer was lost.  Blocks up to its
  // own deadline.
  virtual RpcResult<RefreshedToken> refresh(const std::string& refresh_id) = 0;
  // A first token for a proof that is none of the gateway's own: a ServiceAccount token.
  virtual RpcResult<RefreshedToken> issue(const Secret& proof) = 0;
};

}  // namespace keyward::identity
