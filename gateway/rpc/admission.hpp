#pragma once
// What every call goes through before its handler: authenticate → limits → authorize, and one audit
// record.

#include <grpcpp/grpcpp.h>

#include <string>
#include <string_view>

#include "gateway/authz/guard.hpp"
#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

struct Call {
  const char* name;
  Requested::By by = Requested::By::caller;
  std::string sandbox{};  // the id or the name that the request names
};

// "" where the client sent none.
std::string_view metadata_of(const grpc::ServerContextBase& context, const char* name);

Result<Principal> authenticate(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                               const char* method);
Result<Principal> admit(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                        const Call& call);

// Counts the call, logs what is the gateway's own trouble, and gives the status.
grpc::Status end_call(const ServiceDeps& deps, const Call& call, const Result<>& done);

}  // namespace keyward::gateway
