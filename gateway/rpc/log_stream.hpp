#pragma once
// PushSandboxLogs: a stream that may last as long as its supervisor, and needs no thread meanwhile.

#include <grpcpp/support/server_callback.h>

#include "gateway/rpc/sandbox_service.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::gateway {

// Admitted on the first batch that names a sandbox; then each batch is checked again, so that a
// token that was refreshed, revoked or has expired ends the stream, and one sandbox's stream never
// carries another's lines.  The reactor deletes itself.
grpc::ServerReadReactor<openshell::v1::PushSandboxLogsRequest>* open_log_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps);

}  // namespace keyward::gateway
