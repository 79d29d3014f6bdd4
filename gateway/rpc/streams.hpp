#pragma once
// The methods that are long streams.  Each reactor owns itself until gRPC is done with it.

#include <grpcpp/grpcpp.h>

#include "gateway/rpc/services.hpp"
#include "openshell.pb.h"

namespace keyward::gateway {

grpc::ServerReadReactor<openshell::v1::PushSandboxLogsRequest>* open_log_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps);

// A supervisor's session: hello, then heartbeats both ways, and requests for relays.
grpc::ServerBidiReactor<openshell::v1::SupervisorMessage, openshell::v1::GatewayMessage>*
open_session_stream(grpc::CallbackServerContext& context, const ServiceDeps& deps);

// The two ends of a relayed connection.
grpc::ServerBidiReactor<openshell::v1::RelayFrame, openshell::v1::RelayFrame>* open_relay_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps);
grpc::ServerBidiReactor<openshell::v1::TcpForwardFrame, openshell::v1::TcpForwardFrame>*
open_forward_stream(grpc::CallbackServerContext& context, const ServiceDeps& deps);

grpc::ServerWriteReactor<openshell::v1::SandboxStreamEvent>* open_watch_stream(
    grpc::CallbackServerContext& context, const ServiceDeps& deps,
    const openshell::v1::WatchSandboxRequest& request);

}  // namespace keyward::gateway
