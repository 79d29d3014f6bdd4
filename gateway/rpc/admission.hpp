#pragma once
// What every call of a sandbox goes through before its handler: authenticate → limits → authorize,
// and one audit record.

#include <grpcpp/grpcpp.h>

#include <string>
#include <string_view>

#include "gateway/authz/guard.hpp"
#include "gateway/rpc/sandbox_service.hpp"

namespace keyward::gateway {

struct Call {
  Method method;
  const char* name;
  std::string sandbox_id;  // that the request names; empty: the caller's own
};

// "" where the client sent none.
std::string_view metadata_of(const grpc::ServerContextBase& context, const char* name);

Result<Principal> admit(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                        const Call& call);

// Counts the call, logs what is the gateway's own trouble, and gives the status.
grpc::Status end_call(const ServiceDeps& deps, const Call& call, const Result<>& done);

}  // namespace keyward::gateway
