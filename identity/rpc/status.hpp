#pragma once
// What a failed call tells people.

#include <grpcpp/support/status.h>

#include <string_view>

#include "identity/token/transport.hpp"

namespace keyward::identity {

// `url` names the gateway in the text.  The code is kept; texts of the transport are replaced by
// the cause and the remedy, texts of the gateway are passed on, escaped and cut.
RpcError rpc_error(const grpc::Status& status, std::string_view url);

// There is no connection, because the SPIFFE agent gives no certificates for one.  Never a code by
// which the gateway itself would speak; `lasting` where asking again does not help.
RpcError agent_rpc_error(const Error& error, std::string_view url);

}  // namespace keyward::identity
