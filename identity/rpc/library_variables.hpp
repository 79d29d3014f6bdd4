#pragma once
// What gRPC would do on its own accord, and does not here.

namespace keyward::identity {

// gRPC obeys variables that an image can set (GRPC_TRACE prints headers, and with them tokens), and
// writes to stderr: the variables are removed, its lines are dropped.  Before any thread of the
// process reads its environment.
void quiet_grpc();

}  // namespace keyward::identity
