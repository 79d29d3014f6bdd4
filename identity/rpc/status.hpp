#pragma once
// What a failed call tells people.

#include <grpcpp/support/status.h>

#include <string_view>

#include "identity/token/transport.hpp"

namespace keyward::identity {

// `url` names the gateway in the text.  The code is kept; texts of the transport are replaced by
// the cause and the remedy, texts of the gateway are passed on, escaped and cut.
RpcError rpc_error(const grpc::Status& status, std::string_view url);

}  // namespace keyward::identity
