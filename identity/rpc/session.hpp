#pragma once
// A supervisor's standing session (ConnectSupervisor): hello, then heartbeats.  It tells the
// gateway that the sandbox runs.

#include <grpcpp/grpcpp.h>

#include "identity/rpc/gateway_client.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::identity {

using SessionStream =
    grpc::ClientReaderWriter<openshell::v1::SupervisorMessage, openshell::v1::GatewayMessage>;

// Until the stream ends; on the calling thread and one more.  A gateway that refuses the session
// (another supervisor has it) is FAILED_PRECONDITION with its reason.  Relays that it asks for are
// refused: this version serves none.
grpc::Status hold_session(SessionStream& stream, const SessionHello& hello);

}  // namespace keyward::identity
